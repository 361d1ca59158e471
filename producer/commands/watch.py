"""Follows a job to its end: a live line on a terminal, a plain line now and then elsewhere."""

import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from producer.job_status import job_status
from shared.store.engine import Store
from shared.store.job_states import ENDED
from shared.store.jobs import get_job

#: How often the job's row is read while somebody looks.
LOOK_SECONDS = 0.25
#: Without a terminal, a line is printed this often.
PLAIN_LINE_SECONDS = 10.0


def watch_job(store: Store, job_id: str) -> dict[str, Any]:
    """Show a job's progress on standard error until it has ended; return its last status."""
    console = Console(stderr=True)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.fields[state]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task("", total=None, state="queued", figures="")
        said_at = time.monotonic()
        while True:
            status = read_status(store, job_id)
            counts = status["counts"]
            progress.update(
                task,
                completed=counts["predicted"] + counts["failed"],
                total=counts["total"],
                state=status["state"],
                figures=_figures(status),
            )
            if status["state"] in ENDED:
                return status
            if not console.is_terminal and time.monotonic() - said_at > PLAIN_LINE_SECONDS:
                said_at = time.monotonic()
                console.print(_plain_line(status), highlight=False)
            time.sleep(LOOK_SECONDS)


def read_status(store: Store, job_id: str) -> dict[str, Any]:
    """Return a job's status document."""
    with store.read() as connection:
        return job_status(connection, get_job(connection, job_id))


def _figures(status: dict[str, Any]) -> str:
    parts = []
    if status["images_per_second"]:
        parts.append(f"{status['images_per_second']:,.0f} images/s")
    if status["accuracy"]["top1"] is not None:
        parts.append(f"top-1 {status['accuracy']['top1']:.2%}")
    if status["counts"]["failed"]:
        parts.append(f"{status['counts']['failed']:,} failed")
    if status["stalled"]:
        parts.append(f"stalled: {status['stalled']}")
    return "  ".join(parts)


def _plain_line(status: dict[str, Any]) -> str:
    counts = status["counts"]
    total = "?" if counts["total"] is None else f"{counts['total']:,}"
    done = counts["predicted"] + counts["failed"]
    return f"{status['state']}: {done:,} of {total} images  {_figures(status)}".rstrip()
