"""What a fetcher is to the pipeline: the stage between a reference and the decoder."""

from typing import Protocol


class Fetcher(Protocol):
    """Gets the bytes of images; called by many threads at once."""

    def fetch(self, uri: str) -> bytes:
        """Read the whole image.

        Raises:
            FetchError: the subclass says why; the image becomes a row with its reason.
        """


class OpenFetcher(Fetcher, Protocol):
    """A fetcher that may keep connections between images."""

    def close(self) -> None:
        """Close what is kept open."""
