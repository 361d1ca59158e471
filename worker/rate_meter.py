"""How fast this worker really is, by artifact: what windows and time estimates are made from."""

from collections import Counter
from threading import Lock

#: Steady work is averaged over this long: chunks end in bursts, so single seconds say nothing.
WINDOW_SECONDS = 5.0
#: The newest window counts this much; older ones fade.
NEWEST_WEIGHT = 0.5
#: A rate is told again when it has moved by more than this share.
WORTH_TELLING = 0.1


class RateMeter:
    """Counts finished images and turns windows of steady work into a smoothed rate."""

    def __init__(self, stated: dict[str, float]) -> None:
        """Begin with the rates that the manifests state (images/s by artifact digest)."""
        self._rates = dict(stated)
        self._told = dict(stated)
        self._finished: Counter[str] = Counter()
        self._busy_seconds = 0.0
        self._lock = Lock()

    def finished(self, digest: str, images: int) -> None:
        """Count images that were classified."""
        with self._lock:
            self._finished[digest] += images

    def close_interval(self, seconds: float, *, was_busy: bool) -> dict[str, float]:
        """End an interval; return the rates that have moved enough to be told.

        A window in which the worker waited for work says nothing about its speed, and one in
        which it worked for several artifacts says nothing about either of them.
        """
        with self._lock:
            self._busy_seconds += seconds
            if was_busy and self._busy_seconds < WINDOW_SECONDS:
                return {}
            finished, self._finished = self._finished, Counter()
            window, self._busy_seconds = self._busy_seconds, 0.0
        if was_busy and len(finished) == 1:
            digest, images = finished.popitem()
            rate = self._rates[digest]
            self._rates[digest] = rate + NEWEST_WEIGHT * (images / window - rate)
        return self._moved()

    def _moved(self) -> dict[str, float]:
        moved = {
            digest: rate
            for digest, rate in self._rates.items()
            if abs(rate - self._told[digest]) > WORTH_TELLING * self._told[digest]
        }
        self._told |= moved
        return moved
