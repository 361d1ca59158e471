"""Forms batches across chunks: closed when full, or when old while the device has nothing. Pure."""

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """Collects items to batches of at most `size`.

    A short batch is closed only when its first item is older than `max_age_seconds` and the
    device is idle: while the device works, waiting costs nothing and fuller batches are quicker.
    """

    def __init__(self, *, size: int, max_age_seconds: float) -> None:
        self._size = size
        self._max_age_seconds = max_age_seconds
        self._items: list[Item] = []
        self._first_at = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item, *, at_seconds: float) -> list[Item] | None:
        """Add an item; return the batch if that filled it."""
        if not self._items:
            self._first_at = at_seconds
        self._items.append(item)
        return self._close() if len(self._items) >= self._size else None

    def due(self, *, at_seconds: float, device_is_idle: bool) -> list[Item] | None:
        """Return the batch if it should not wait any longer."""
        old = at_seconds - self._first_at >= self._max_age_seconds
        return self._close() if self._items and old and device_is_idle else None

    def _close(self) -> list[Item]:
        batch, self._items = self._items, []
        return batch
