"""The thorough way to decode an image: Pillow, which alone decides every failure."""

import io
import re
import struct
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from shared.errors import (
    DecodeError,
    NotAnImage,
    TooManyPixels,
    TruncatedImage,
    UnsupportedMode,
)

#: Nothing else is ever tried on a stranger's bytes. Pillow finds MPO through JPEG; naming the
#: plugins here has them loaded, so that no thread makes Pillow import all that it has.
_PLUGINS = {
    "JPEG": (JpegImagePlugin, MpoImagePlugin),
    "PNG": PngImagePlugin,
    "WEBP": WebPImagePlugin,
    "GIF": GifImagePlugin,
    "BMP": BmpImagePlugin,
    "TIFF": TiffImagePlugin,
    "PPM": PpmImagePlugin,
}
_FORMATS = tuple(_PLUGINS)
_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|BM|II[*+]\0|MM\0[*+]|P[1-6f]\s",
    re.DOTALL,
)
#: What Pillow's decoders are known to raise on damaged files, each by its own taste.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
)


class _Stream(io.BytesIO):
    """The file in memory; remembers whether a decoder asked for more than there is."""

    ran_short = False
    ran_out = False

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size is not None and len(data) < size:
            self.ran_short = True
            self.ran_out = self.ran_out or not data
        return data


def set_up_pillow() -> None:
    """Make Pillow's process-wide settings ours; to be called before decoding starts.

    Sizes are checked here for each image, by `max_pixels`, so Pillow's own limit and its warning
    are off. Its other warnings are about metadata that plays no part in pixels (a corrupt EXIF
    block, say), and nobody would read them.
    """
    Image.MAX_IMAGE_PIXELS = None
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def decode_with_pillow(data: bytes, *, max_pixels: int) -> NDArray[np.uint8]:
    """Return RGB pixels (height, width, 3) of the first frame.

    As the reference does, this is `Image.open(...).convert("RGB")` and no more: EXIF orientation
    is not applied, alpha is dropped, 16-bit values are clipped at 255, profiles are ignored.

    Raises:
        DecodeError: or the subclass of it that says why there are no pixels.
    """
    stream = _Stream(data)
    with _open(stream, data) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise TooManyPixels(
                f"{width}x{height} is more than {max_pixels} pixels: "
                "raise NESTOR_MAX_IMAGE_PIXELS if such images are meant"
            )
        _load(image, stream)
        return _to_rgb(image)


def _open(stream: _Stream, data: bytes) -> Image.Image:
    try:
        return Image.open(stream, formats=_FORMATS)
    except _DECODER_ERRORS as error:
        unknown = isinstance(error, UnidentifiedImageError)
        if unknown and not _SIGNATURE.match(data):
            raise NotAnImage(
                f"no decoder knows this format; known: {', '.join(_FORMATS)}"
            ) from error
        if stream.ran_short or _is_short_webp(data):
            raise TruncatedImage("the file ends within the image's header") from error
        if _jpeg_precision(data) not in (None, 8):
            raise UnsupportedMode("a JPEG of more than 8 bits a sample") from error
        detail = "its header is damaged or of an unknown kind" if unknown else str(error)
        raise DecodeError(f"the image cannot be opened: {detail}") from error


def _load(image: Image.Image, stream: _Stream) -> None:
    stream.ran_out = False
    try:
        image.load()
    except _DECODER_ERRORS as error:
        if stream.ran_out or "truncated" in str(error).lower():
            raise TruncatedImage("the file ends before the image does") from error
        raise DecodeError(f"the image is damaged: {error}") from error


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    # The transparent colour has no part in RGB pixels; Pillow would warn or stumble over it.
    image.info.pop("transparency", None)
    try:
        return np.asarray(image.convert("RGB"))
    except (ValueError, KeyError, OSError) as error:
        raise UnsupportedMode(f"mode {image.mode} cannot be turned into RGB") from error


def _is_short_webp(data: bytes) -> bool:
    """Tell whether a WebP file declares more bytes than there are (its decoder does not say)."""
    return data.startswith(b"RIFF") and len(data) < 8 + int.from_bytes(data[4:8], "little")


def _jpeg_precision(data: bytes) -> int | None:
    """Return the bits a sample that a JPEG's frame header declares, if one is found."""
    frame = re.search(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]\0.(.)", data, re.DOTALL)
    return frame[1][0] if frame and data.startswith(b"\xff\xd8\xff") else None
