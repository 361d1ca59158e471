"""From the bytes of an image file to RGB pixels: the same ones, whichever decoder makes them."""

import numpy as np
from numpy.typing import NDArray

from shared.errors import EmptyImage
from worker.preprocessing.pillow_decode import decode_with_pillow
from worker.preprocessing.turbo_jpeg import decode_plain_jpeg


def decode(data: bytes, *, max_pixels: int) -> NDArray[np.uint8]:
    """Return RGB pixels, uint8 (height, width, 3), equal to Pillow's `convert("RGB")`.

    Safe to call in several threads at once.

    Raises:
        DecodeError: or the subclass of it that says why there are no pixels.
    """
    if not data:
        raise EmptyImage("the file is empty")
    pixels = decode_plain_jpeg(data, max_pixels=max_pixels)
    if pixels is None:
        pixels = decode_with_pillow(data, max_pixels=max_pixels)
    return pixels
