"""A stage: threads that take items from a bounded queue, work, and hand on what comes out."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from worker.pipeline.stage_clock import StageClock

In = TypeVar("In")


class Stage(Generic[In]):
    """Runs `work(item)` in `threads` threads; `work` returns what to call next, or None.

    The returned call hands the result to the following stage and may block: the time it takes
    counts as blocked, the work as busy, waiting for an item as starved.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[In], Callable[[], None] | None],
        *,
        threads: int,
        capacity: int,
        clock: StageClock,
    ) -> None:
        self._name = name
        self._work = work
        self._clock = clock
        self._inbox: queue.Queue[In | None] = queue.Queue(maxsize=capacity)
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, item: In) -> None:
        """Queue an item; blocks while the queue is full."""
        self._inbox.put(item)

    def close(self) -> None:
        """Finish what is queued, then end the threads."""
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        times = self._clock.thread(self._name)
        while True:
            with times.measure("starved"):
                item = self._inbox.get()
            if item is None:
                return
            with times.measure("busy"):
                hand_on = self._work(item)
            times.handled += 1
            if hand_on is not None:
                with times.measure("blocked"):
                    hand_on()
            del item, hand_on  # an idle thread must not keep an image alive
