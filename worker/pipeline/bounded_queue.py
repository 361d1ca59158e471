"""A bounded queue that wakes a blocked producer for many items, not for each.

Waking a thread costs more than handing over an item. A queue that is always full would wake one
producer an item; here producers that found it full stay asleep until it is half empty.
"""

from collections import deque
from threading import Condition, Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BoundedQueue(Generic[Item]):
    """First in, first out; once full, `put` blocks until no more than half of it is left."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._low_water = capacity // 2
        self._items: deque[Item] = deque()
        self._draining = False
        lock = Lock()
        self._not_empty = Condition(lock)
        self._drained = Condition(lock)

    def put(self, item: Item) -> None:
        """Add an item; blocks while the queue drains."""
        with self._drained:
            while self._draining:
                self._drained.wait()
            self._items.append(item)
            self._draining = len(self._items) >= self._capacity
            self._not_empty.notify()

    def get(self) -> Item:
        """Take the oldest item; blocks while there is none."""
        with self._not_empty:
            while not self._items:
                self._not_empty.wait()
            item = self._items.popleft()
            if self._draining and len(self._items) <= self._low_water:
                self._draining = False
                self._drained.notify_all()
            return item
