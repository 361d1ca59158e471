"""A bound on the bytes that are fetched and not yet decoded."""

from threading import Condition


class ByteBudget:
    """Lets bytes in while there is room; one file larger than the whole budget goes in alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._changed = Condition()

    def acquire(self, size: int) -> None:
        """Wait until `size` more bytes fit."""
        with self._changed:
            self._changed.wait_for(lambda: self._held == 0 or self._held + size <= self._limit)
            self._held += size

    def release(self, size: int) -> None:
        """Give bytes back."""
        with self._changed:
            self._held -= size
            self._changed.notify_all()
