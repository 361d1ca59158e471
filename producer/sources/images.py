"""Which file names are images, and which class their place names."""

import posixpath

#: What Pillow reads and data sets are made of; compared without regard to case.
IMAGE_SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff",
        ".pbm", ".pgm", ".ppm",
    }
)  # fmt: skip


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image; hidden files never are."""
    return not name.startswith(".") and posixpath.splitext(name)[1].lower() in IMAGE_SUFFIXES
