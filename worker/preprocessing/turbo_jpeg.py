"""The quick way to decode an ordinary JPEG: libjpeg-turbo without Pillow around it.

It takes only files whose pixels are Pillow's to the bit, and says nothing about the others: they
go to Pillow, which alone decides what is wrong with them.
"""

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

try:
    import simplejpeg
except ImportError:  # an optional package: without it, Pillow decodes everything
    _simplejpeg: ModuleType | None = None
else:
    _simplejpeg = simplejpeg

_START_OF_IMAGE = b"\xff\xd8\xff"
#: Colour spaces in the file from which both libraries come to RGB by the same arithmetic.
_PLAIN_COLOUR_SPACES = frozenset({"YCbCr", "RGB", "Gray"})


def decode_plain_jpeg(data: bytes, *, max_pixels: int) -> NDArray[np.uint8] | None:
    """Return RGB pixels (height, width, 3), or nothing where Pillow has to look.

    Nothing is returned for what is no JPEG, has another colour space, more than `max_pixels`
    pixels, or makes the decoder fail or merely warn.
    """
    if _simplejpeg is None or not data.startswith(_START_OF_IMAGE):
        return None
    try:
        height, width, colour_space, _ = _simplejpeg.decode_jpeg_header(data, strict=True)
        if colour_space not in _PLAIN_COLOUR_SPACES or height * width > max_pixels:
            return None
        pixels: NDArray[np.uint8] = _simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
    except ValueError:
        return None
    return pixels
