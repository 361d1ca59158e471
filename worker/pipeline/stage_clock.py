"""Where the time goes: busy, starved and blocked seconds of every stage.

*Busy* is work, *starved* waits for the stage before, *blocked* waits for the stage after. The
stage that is busy while its neighbours starve or block is the bottleneck.
"""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Literal

StageSeconds = dict[str, dict[str, float]]
StageTime = Literal["busy", "starved", "blocked"]


@dataclass(slots=True)
class ThreadTimes:
    """The seconds of one thread of a stage; written by that thread alone, so without a lock."""

    busy: float = 0.0
    starved: float = 0.0
    blocked: float = 0.0
    handled: int = 0

    @staticmethod
    def now() -> float:
        """Return the time that `add` counts from."""
        return time.perf_counter()

    def add(self, kind: StageTime, *, since: float) -> float:
        """Add the time since then to `busy`, `starved` or `blocked`; return the time now."""
        mark = time.perf_counter()
        setattr(self, kind, getattr(self, kind) + mark - since)
        return mark


class StageClock:
    """Adds up the threads of all stages."""

    def __init__(self) -> None:
        self._threads: list[tuple[str, ThreadTimes]] = []
        self._taken: StageSeconds = {}
        self._lock = Lock()

    def thread(self, stage: str) -> ThreadTimes:
        """Return the times that one more thread of a stage writes to."""
        times = ThreadTimes()
        with self._lock:
            self._threads.append((stage, times))
        return times

    def handled(self) -> int:
        """Return how many items all stages have handled: it moves while work is done."""
        with self._lock:
            return sum(times.handled for _, times in self._threads)

    def take(self) -> StageSeconds:
        """Return the seconds since the last call, by stage."""
        with self._lock:
            totals = self._totals()
            since = {
                stage: {
                    kind: round(seconds - self._taken.get(stage, {}).get(kind, 0.0), 4)
                    for kind, seconds in kinds.items()
                }
                for stage, kinds in totals.items()
            }
            self._taken = totals
            return since

    def _totals(self) -> StageSeconds:
        totals: StageSeconds = {}
        for stage, times in self._threads:
            kinds = totals.setdefault(stage, {"busy": 0.0, "starved": 0.0, "blocked": 0.0})
            for kind in kinds:
                kinds[kind] += getattr(times, kind)
        return totals
