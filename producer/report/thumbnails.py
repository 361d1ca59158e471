"""Small pictures of single images for the report, read again from where they lie."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from shared.errors import NestorError
from shared.http_download import HttpDownloader
from shared.object_storage import ObjectStorage, parse_s3_uri
from shared.settings import Settings

#: The longer side of a thumbnail, and the most that it may take.
THUMBNAIL_PIXELS = 96
MAX_THUMBNAIL_BYTES = 4096

ReadImage = Callable[[str], bytes]


@contextmanager
def image_reader(settings: Settings) -> Iterator[ReadImage]:
    """Yield a function that reads an image by its URI: a path, http(s) or s3."""
    with ExitStack() as stack:
        downloader = HttpDownloader(settings)
        stack.callback(downloader.close)
        storage: list[ObjectStorage] = []

        def read(uri: str) -> bytes:
            if uri.startswith(("http://", "https://")):
                return downloader.read(uri, max_bytes=settings.max_image_bytes)
            if uri.startswith("s3://"):
                if not storage:
                    storage.append(ObjectStorage(settings))
                bucket, key = parse_s3_uri(uri)
                return storage[0].read(bucket, key, max_bytes=settings.max_image_bytes)
            return Path(uri.removeprefix("file://")).read_bytes()

        yield read


def thumbnail(read: ReadImage, uri: str) -> bytes | None:
    """Return a JPEG of at most 96 pixels and 4 KiB, or None if the image is not there any more."""
    try:
        with Image.open(io.BytesIO(read(uri))) as image:
            small = image.convert("RGB")
    except (NestorError, OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None
    small = ImageOps.contain(small, (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    for quality in (85, 70, 50, 30):
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MAX_THUMBNAIL_BYTES:
            return buffer.getvalue()
    return None
