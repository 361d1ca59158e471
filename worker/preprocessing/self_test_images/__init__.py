"""Eight generated images that ship with the code: a worker shows by them that its pixels are right.

Three PNGs are for the resampler (an odd size, a crop that is a pixel off square at S=224, and a
tiny one with alpha), five JPEGs for the decoder. tests/support/make_self_test_images.py made them.
"""

from importlib import resources

SELF_TEST_IMAGE_NAMES = (
    "odd_size.png",
    "off_square_gray.png",
    "tiny_alpha.png",
    "baseline.jpg",
    "progressive.jpg",
    "gray.jpg",
    "subsampled_411.jpg",
    "cmyk.jpg",
)


def self_test_images() -> list[tuple[str, bytes]]:
    """Return each image's name and bytes, always in the same order."""
    folder = resources.files(__name__)
    return [(name, folder.joinpath(name).read_bytes()) for name in SELF_TEST_IMAGE_NAMES]
