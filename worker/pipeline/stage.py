"""A stage: threads that take items from a bounded queue, work, and hand on what comes out."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from worker.pipeline.bounded_queue import BoundedQueue
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
        self._inbox: BoundedQueue[In | None] = BoundedQueue(capacity)
        self._thread_count = threads
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def start(self) -> None:
        """Start the threads, unless they run."""
        if self._threads:
            return
        with self._starting:
            if not self._threads:
                self._threads = [self._start_thread(n) for n in range(self._thread_count)]

    def put(self, item: In) -> None:
        """Queue an item; blocks while the queue is full."""
        self._inbox.put(item)

    def close(self) -> None:
        """Finish what is queued, then end the threads."""
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()

    def _start_thread(self, number: int) -> threading.Thread:
        thread = threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        times = self._clock.thread(self._name)
        mark = times.now()
        while True:
            item = self._inbox.get()
            mark = times.add("starved", since=mark)
            if item is None:
                return
            hand_on = self._work(item)
            mark = times.add("busy", since=mark)
            times.handled += 1
            if hand_on is not None:
                hand_on()
                mark = times.add("blocked", since=mark)
            del item, hand_on  # an idle thread must not keep an image alive
