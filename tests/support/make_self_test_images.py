"""Makes the self-test images that ship with the worker.

Run from the repository root: python -m tests.support.make_self_test_images
"""

import io
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from tests.support.pictures import draw_picture

FOLDER = Path(__file__).parents[2] / "worker" / "preprocessing" / "self_test_images"


def make_self_test_images() -> dict[str, bytes]:
    """Return the bytes of each image by its file name."""
    alpha = np.linspace(0, 255, 13 * 9).reshape(9, 13, 1).astype(np.uint8)
    tiny = np.concatenate([draw_picture(13, 9, 3), alpha], axis=2)
    return {
        "odd_size.png": _save(_picture(171, 113, 1), "PNG", optimize=True),
        "off_square_gray.png": _save(_picture(110, 108, 2).convert("L"), "PNG", optimize=True),
        "tiny_alpha.png": _save(Image.fromarray(tiny), "PNG", optimize=True),
        "baseline.jpg": _save(_picture(300, 225, 4), "JPEG", quality=85),
        "progressive.jpg": _save(_picture(237, 311, 5), "JPEG", quality=80, progressive=True),
        "gray.jpg": _save(_picture(256, 192, 6).convert("L"), "JPEG", quality=85),
        "subsampled_411.jpg": simplejpeg.encode_jpeg(
            draw_picture(281, 199, 7), quality=85, colorsubsampling="411"
        ),
        "cmyk.jpg": _save(_picture(160, 240, 8).convert("CMYK"), "JPEG", quality=80),
    }


def main() -> None:
    """Write them where they belong."""
    for name, data in make_self_test_images().items():
        (FOLDER / name).write_bytes(data)


def _picture(width: int, height: int, seed: int) -> Image.Image:
    return Image.fromarray(draw_picture(width, height, seed))


def _save(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
