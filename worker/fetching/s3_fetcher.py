"""Images in object storage: s3://bucket/key."""

from shared.errors import BadReference
from shared.object_storage import ObjectStorage, parse_s3_uri
from shared.settings import Settings


class S3Fetcher:
    """Reads images from the one S3 endpoint of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._storage = ObjectStorage(settings)
        self._max_bytes = settings.max_image_bytes

    def fetch(self, uri: str) -> bytes:
        """Read the object."""
        bucket, key = parse_s3_uri(uri)
        if not key:
            raise BadReference("the address names a bucket and no object")
        return self._storage.read(bucket, key, max_bytes=self._max_bytes)

    def close(self) -> None:
        """Close the idle connections."""
        self._storage.close()
