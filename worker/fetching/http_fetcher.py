"""Images at http and https addresses."""

from shared.http_download import HttpDownloader
from shared.settings import Settings


class HttpFetcher:
    """Reads images over one downloader; what an origin may cost is decided there."""

    def __init__(self, settings: Settings) -> None:
        self._downloader = HttpDownloader(settings)
        self._max_bytes = settings.max_image_bytes

    def fetch(self, uri: str) -> bytes:
        """Read the image."""
        return self._downloader.read(uri, max_bytes=self._max_bytes)

    def close(self) -> None:
        """Close the idle connections."""
        self._downloader.close()
