"""A generated corpus of image files, good and bad, each with what must become of it.

Everything is made from seeds; nothing is read from disk.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image

from tests.support.pictures import draw_picture

_START_OF_IMAGE = b"\xff\xd8"
_SIZES = ((64, 48), (107, 75), (110, 108), (33, 121), (16, 16))
_SUBSAMPLINGS = ("444", "422", "420", "411", "440", "Gray")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusImage:
    """One file: `reason` is the code of the error that it must give, None if it has pixels."""

    name: str
    data: bytes
    reason: str | None = None


def good_images() -> list[CorpusImage]:
    """Return files that have pixels, whatever Pillow makes of them."""
    named = [*_plain_jpegs(), *_marked_jpegs(), *_odd_jpegs(), *_modes(), *_animations()]
    return [CorpusImage(name=name, data=data) for name, data in named]


def plain_jpegs() -> list[CorpusImage]:
    """Return ordinary JPEGs of all sizes and subsamplings, as cameras and programs write them."""
    return [CorpusImage(name=name, data=data) for name, data in _plain_jpegs()]


def bad_images() -> list[CorpusImage]:
    """Return files that have no pixels, each with the reason that its row must carry."""
    return [
        CorpusImage(name=name, data=data, reason=reason)
        for name, data, reason in (*_cut_short(), *_not_images(), *_damaged(), *_unsupported())
    ]


def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Return the image as a file of that format."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def picture(width: int, height: int, seed: int, mode: str = "RGB") -> Image.Image:
    """Return a picture as a Pillow image of any mode that Pillow converts RGB to."""
    return Image.fromarray(draw_picture(width, height, seed)).convert(mode)


def _plain_jpegs() -> Iterator[tuple[str, bytes]]:
    for seed, (width, height) in enumerate(_SIZES):
        pixels = draw_picture(width, height, seed)
        for subsampling in _SUBSAMPLINGS:
            source = pixels.mean(axis=2).astype(np.uint8)[..., None]
            is_gray = subsampling == "Gray"
            yield (
                f"{subsampling}-{width}x{height}.jpg",
                simplejpeg.encode_jpeg(
                    source if is_gray else pixels,
                    quality=60 + 8 * seed,
                    colorspace="GRAY" if is_gray else "RGB",
                    colorsubsampling=subsampling,
                ),
            )
        image = Image.fromarray(pixels)
        for quality in (5, 75, 100):
            for progressive in (False, True):
                kind = "progressive" if progressive else "optimised"
                yield (
                    f"{kind}-q{quality}-{width}x{height}.jpg",
                    encode(image, "JPEG", quality=quality, progressive=progressive, optimize=True),
                )


def _marked_jpegs() -> Iterator[tuple[str, bytes]]:
    """JPEGs that carry more than an image."""
    image = picture(97, 61, 20)
    plain = encode(image, "JPEG", quality=90)
    for orientation in (1, 3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"exif-orientation-{orientation}.jpg", encode(image, "JPEG", exif=exif)
    yield "exif-corrupt.jpg", _with_segment(plain, 0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x63junk")
    yield "comment.jpg", encode(image, "JPEG", comment="a comment")
    yield "profile.jpg", encode(image, "JPEG", icc_profile=b"not really a profile" * 20)
    yield "trailing-text.jpg", plain + b"and then some text"
    yield "trailing-zeros.jpg", plain + bytes(5000)
    yield "trailing-jpeg.jpg", plain + encode(picture(31, 41, 21), "JPEG")
    yield "restart-blocks.jpg", encode(image, "JPEG", restart_marker_blocks=3)
    yield "restart-rows.jpg", encode(image, "JPEG", restart_marker_rows=1)
    yield "fill-bytes.jpg", plain[:2] + b"\xff\xff\xff" + plain[2:]
    yield "wrong-extension.png", plain
    yield "two-pictures.mpo", _animation("MPO")
    yield "malformed-mpo.jpg", _with_segment(plain, 0xE2, b"MPF\0II*\0\x08\0\0\0\0\0")


def _odd_jpegs() -> Iterator[tuple[str, bytes]]:
    """JPEGs of other colour spaces, and such as say one thing of theirs and mean another."""
    image = picture(90, 71, 30)
    plain = encode(image, "JPEG", quality=90)
    cmyk = image.convert("CMYK")
    for transform in (0, 1, 2):
        adobe = b"Adobe\0d\0\0\0\0" + bytes([transform])
        marked = _with_segment(_without_jfif(plain), 0xEE, adobe)
        yield f"adobe-transform-{transform}.jpg", marked
        yield f"jfif-adobe-transform-{transform}.jpg", _with_segment(plain, 0xEE, adobe)
        four = encode(cmyk, "JPEG").replace(b"Adobe\0d\0\0\0\0\0", adobe)
        yield f"four-adobe-transform-{transform}.jpg", four
    yield "without-jfif.jpg", _without_jfif(plain)
    yield "rgb-inside.jpg", encode(image, "JPEG", keep_rgb=True)
    yield "rgb-inside-without-adobe.jpg", _without_adobe(encode(image, "JPEG", keep_rgb=True))
    yield "cmyk.jpg", encode(cmyk, "JPEG")
    yield "cmyk-without-adobe.jpg", _without_adobe(encode(cmyk, "JPEG"))
    for subsampling in ("444", "420"):
        ycck = simplejpeg.encode_jpeg(
            np.asarray(cmyk).copy(), colorspace="CMYK", colorsubsampling=subsampling
        )
        yield f"ycck-{subsampling}.jpg", ycck
    gray = encode(picture(83, 59, 31, "L"), "JPEG")
    yield "gray-progressive.jpg", encode(picture(83, 59, 31, "L"), "JPEG", progressive=True)
    yield "gray-sampled-2x2.jpg", gray.replace(b"\x01\x01\x11\0", b"\x01\x01\x22\0", 1)


def _modes() -> Iterator[tuple[str, bytes]]:
    """Every mode that a format can hold."""
    held = {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
        "GIF": ("1", "L", "P"),
        "BMP": ("1", "L", "P", "RGB", "RGBA"),
        "PPM": ("1", "L", "RGB", "I;16"),
        "WEBP": ("RGB", "RGBA"),
    }
    for image_format, modes in held.items():
        for seed, mode in enumerate(modes):
            name = f"{mode.replace(';', '-')}.{image_format.lower()}"
            yield name, encode(_in_mode(mode, 50 + seed), image_format)
    yield "lossless.webp", encode(picture(70, 50, 60), "WEBP", lossless=True)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        tiff = encode(picture(70, 50, 61), "TIFF", compression=compression)
        yield f"{compression}.tiff", tiff
    palette = picture(64, 50, 62).quantize(200)
    yield "palette-transparent-index.png", encode(palette, "PNG", transparency=3)
    yield "palette-transparent-bytes.png", encode(palette, "PNG", transparency=bytes(range(200)))
    yield "palette-transparent.gif", encode(palette, "GIF", transparency=3)
    yield "palette-2-bits.png", encode(picture(41, 30, 63).quantize(4), "PNG", bits=2)
    yield "transparent-colour.png", encode(picture(41, 30, 64), "PNG", transparency=(1, 2, 3))
    yield "transparent-gray.png", encode(picture(41, 30, 64, "L"), "PNG", transparency=7)


def _in_mode(mode: str, seed: int) -> Image.Image:
    pixels = draw_picture(71, 53, seed)
    alpha = np.linspace(0, 255, 71 * 53).reshape(53, 71).astype(np.uint8)
    if mode in ("LA", "RGBA"):
        image = Image.fromarray(pixels).convert(mode)
        image.putalpha(Image.fromarray(alpha))
        return image
    if mode == "LAB":
        return Image.merge("LAB", Image.fromarray(pixels).split())
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 3)
    if mode == "I":
        return Image.fromarray(pixels[..., 0].astype(np.int32) * 5 - 300)
    if mode == "F":
        return Image.fromarray(pixels[..., 0].astype(np.float32) * 1.7 - 30)
    return Image.fromarray(pixels).convert(mode)


def _animations() -> Iterator[tuple[str, bytes]]:
    for image_format in ("GIF", "WEBP", "PNG", "TIFF"):
        yield f"animated.{image_format.lower()}", _animation(image_format)


def _animation(image_format: str) -> bytes:
    frames = [picture(60, 44, seed) for seed in (70, 71, 72)]
    return encode(frames[0], image_format, save_all=True, append_images=frames[1:])


def _cut_short() -> Iterator[tuple[str, bytes, str]]:
    image = picture(120, 90, 80)
    whole = {
        "baseline.jpg": encode(image, "JPEG"),
        "progressive.jpg": encode(image, "JPEG", progressive=True),
        "gray.jpg": encode(image.convert("L"), "JPEG"),
        "cmyk.jpg": encode(image.convert("CMYK"), "JPEG"),
        "rgb.png": encode(image, "PNG"),
        "palette.gif": encode(image, "GIF"),
        "rgb.bmp": encode(image, "BMP"),
        "raw.tiff": encode(image, "TIFF"),
        "rgb.ppm": encode(image, "PPM"),
        "rgb.webp": encode(image, "WEBP"),
    }
    for name, data in whole.items():
        for share in (0.01, 0.1, 0.5, 0.9):
            size = max(int(len(data) * share), 10)
            yield f"cut-at-{size}-{name}", data[:size], "truncated"
    yield "without-end-marker.jpg", whole["baseline.jpg"][:-2], "truncated"


def _not_images() -> Iterator[tuple[str, bytes, str]]:
    yield "empty.jpg", b"", "empty"
    yield "text.jpg", b"<!doctype html><title>404 Not Found</title>", "not_an_image"
    yield "one-byte.jpg", b"\xff", "not_an_image"
    yield "zeros.png", bytes(4096), "not_an_image"
    yield "another-format.tga", encode(picture(20, 20, 90), "TGA"), "not_an_image"


def _damaged() -> Iterator[tuple[str, bytes, str]]:
    png = encode(picture(60, 40, 100), "PNG")
    header_flipped = bytearray(png)
    header_flipped[20] ^= 0xFF
    yield "header-checksum.png", bytes(header_flipped), "decode_failed"
    data_flipped = bytearray(png)
    data_flipped[len(png) // 2] ^= 0xFF
    yield "data-checksum.png", bytes(data_flipped), "decode_failed"
    jpeg = encode(picture(60, 40, 101), "JPEG")
    yield "without-frame-header.jpg", jpeg.replace(b"\xff\xc0", b"\xff\xfe", 1), "decode_failed"
    webp = bytearray(encode(picture(60, 40, 102), "WEBP"))
    webp[20:40] = bytes(20)
    yield "header.webp", bytes(webp), "decode_failed"
    tiff = encode(picture(60, 40, 103), "TIFF", compression="tiff_lzw")
    yield "strips.tiff", tiff[:8] + b"\xff" * 400 + tiff[408:], "decode_failed"


def _unsupported() -> Iterator[tuple[str, bytes, str]]:
    jpeg = bytearray(encode(picture(40, 30, 110), "JPEG"))
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 12
    yield "twelve-bits.jpg", bytes(jpeg), "unsupported_mode"
    yield "premultiplied-gray.tiff", _premultiplied_gray_tiff(), "unsupported_mode"


def _premultiplied_gray_tiff() -> bytes:
    """A gray TIFF with associated alpha: Pillow reads it as mode La, which has no way to RGB."""
    entries = (
        (256, 3, 1, 4),  # width
        (257, 3, 1, 4),  # length
        (258, 3, 2, 8 | 8 << 16),  # bits per sample
        (259, 3, 1, 1),  # not compressed
        (262, 3, 1, 1),  # black is zero
        (273, 4, 1, 134),  # where the strip is
        (277, 3, 1, 2),  # samples per pixel
        (278, 3, 1, 4),  # rows per strip
        (279, 4, 1, 32),  # bytes of the strip
        (338, 3, 1, 1),  # associated alpha
    )
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    return head + bytes(range(32))


def png_of_declared_size(width: int, height: int) -> bytes:
    """Return a PNG that declares any size and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """Return the JPEG with one more segment, right after its start (JFIF stays behind it)."""
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
    return _START_OF_IMAGE + segment + jpeg[2:]


def _without_jfif(jpeg: bytes) -> bytes:
    return _without_segment(jpeg, 0xE0)


def _without_adobe(jpeg: bytes) -> bytes:
    return _without_segment(jpeg, 0xEE)


def _without_segment(jpeg: bytes, marker: int) -> bytes:
    start = jpeg.index(bytes([0xFF, marker]))
    (length,) = struct.unpack_from(">H", jpeg, start + 2)
    return jpeg[:start] + jpeg[start + 2 + length :]
