"""What one side did in its turn of a round."""

from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A timed number of images; `wall_seconds` counts from the submission, where there is one.

    `cpu_seconds` is what all processes of the side used meanwhile: unlike the rate, it says much
    even of a machine that others use too.
    """

    images: int
    seconds: float
    cpu_seconds: float
    best_classes: tuple[int, ...]
    wall_seconds: float | None = None

    @property
    def images_per_second(self) -> float:
        """The rate."""
        return self.images / self.seconds


def cpu_seconds(pids: Iterable[int]) -> float:
    """Add up the processor time that processes and their children have used so far."""
    processes = {
        member.pid: member
        for pid in pids
        for member in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
    }
    times = [process.cpu_times() for process in processes.values()]
    return float(sum(time.user + time.system for time in times))
