"""Getting the bytes of images: one fetcher a scheme, opened when the first image needs it."""

import threading
from collections.abc import Callable, Mapping

from shared.errors import BadReference
from shared.settings import Settings
from worker.fetching.base import Fetcher, OpenFetcher

__all__ = ["FETCHERS", "Fetcher", "OpenFetcher", "SchemeFetcher", "open_fetcher"]


def _open_file(settings: Settings) -> OpenFetcher:
    from worker.fetching.file_fetcher import FileFetcher

    return FileFetcher(settings)


def _open_http(settings: Settings) -> OpenFetcher:
    from worker.fetching.http_fetcher import HttpFetcher

    return HttpFetcher(settings)


def _open_s3(settings: Settings) -> OpenFetcher:
    from worker.fetching.s3_fetcher import S3Fetcher

    return S3Fetcher(settings)


#: Who fetches what. Schemes that share an opener share a fetcher.
FETCHERS: Mapping[str, Callable[[Settings], OpenFetcher]] = {
    "file": _open_file,
    "http": _open_http,
    "https": _open_http,
    "s3": _open_s3,
}


class SchemeFetcher:
    """Hands each image to the fetcher of its scheme; opens one when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: dict[Callable[[Settings], OpenFetcher], OpenFetcher] = {}
        self._opening = threading.Lock()

    def fetch(self, uri: str) -> bytes:
        """Read the image.

        Raises:
            FetchError: the subclass says why; `BadReference` for a scheme that nobody serves.
            SettingsError: if the S3 settings cannot be used at all; no image is to blame.
        """
        return self._fetcher_of(uri).fetch(uri)

    def close(self) -> None:
        """Close the connections that were kept open."""
        with self._opening:
            for fetcher in self._opened.values():
                fetcher.close()
            self._opened.clear()

    def _fetcher_of(self, uri: str) -> OpenFetcher:
        scheme = "file" if uri.startswith("/") else uri.partition("://")[0].lower()
        opener = FETCHERS.get(scheme) if "://" in uri or scheme == "file" else None
        if opener is None:
            known = ", ".join(f"{name}://" for name in FETCHERS)
            raise BadReference(f"an image needs an absolute path or one of {known}")
        found = self._opened.get(opener)
        if found is not None:
            return found
        with self._opening:
            if opener not in self._opened:
                self._opened[opener] = opener(self._settings)
            return self._opened[opener]


def open_fetcher(settings: Settings) -> SchemeFetcher:
    """Open the fetcher of a worker."""
    return SchemeFetcher(settings)
