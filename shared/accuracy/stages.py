"""Where the time of a job went, stage by stage, and which stage held the others up."""

from collections.abc import Mapping
from dataclasses import dataclass

#: What `bottleneck` says when every stage waited for work.
WAITING_FOR_WORK = "queue"
#: What `bottleneck` says when nothing was measured.
NOT_MEASURED = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeconds:
    """Seconds of one stage, summed over its threads.

    `busy`: at work; `starved`: waiting for the stage before; `blocked`: waiting for the one after.
    """

    busy: float
    starved: float
    blocked: float

    @property
    def total(self) -> float:
        """All seconds that were accounted for."""
        return self.busy + self.starved + self.blocked

    @property
    def busy_share(self) -> float:
        """How much of its time the stage was at work, 0 to 1."""
        return self.busy / self.total if self.total else 0.0


def bottleneck(stage_seconds: Mapping[str, StageSeconds]) -> str:
    """Return the stage that more of its kind would relieve first.

    The rule: in a chain of stages with bounded queues, the slowest one hardly ever waits; the
    stages before it are blocked by it and the stages after it are starved by it. So it is the stage
    with the greatest share of its time busy (shares, not seconds, because stages have different
    numbers of threads), ties to the one with more busy seconds. Where every stage was starved for
    more than half of its time, no stage is to blame: work arrived too slowly (`queue`). Without
    any measured time the answer is `unknown`.
    """
    measured = {name: times for name, times in stage_seconds.items() if times.total > 0}
    if not measured:
        return NOT_MEASURED
    if all(times.starved > times.total / 2 for times in measured.values()):
        return WAITING_FOR_WORK
    return max(measured, key=lambda name: (measured[name].busy_share, measured[name].busy, name))
