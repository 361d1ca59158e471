"""Progress of long commands: rich bars on a terminal, silence anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

Advance = Callable[[], None]


class ProgressBars:
    """Gives each step a bar on standard error; steps without a total show only time."""

    def __init__(self, *, enabled: bool | None = None) -> None:
        """Show bars where standard error is a terminal, unless told otherwise."""
        self._console = Console(stderr=True)
        self._enabled = self._console.is_terminal if enabled is None else enabled

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Advance]:
        """Show a bar while the block runs; the block calls what it is given, once an item."""
        with self._bars(title, total=total) as (bars, task):
            yield lambda: bars.advance(task)

    @contextmanager
    def download(self, title: str) -> Iterator[Callable[[int, int | None], None]]:
        """Show a bar for bytes; the block calls (bytes so far, bytes in all if known)."""
        with self._bars(title, total=None) as (bars, task):
            yield lambda done, total: bars.update(task, completed=done, total=total)

    @contextmanager
    def _bars(self, title: str, *, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(
            *columns, console=self._console, transient=True, disable=not self._enabled
        ) as bars:
            yield bars, bars.add_task(title, total=total)
