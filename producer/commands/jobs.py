"""`nestor jobs`, `status`, `cancel`, `pause`, `resume`, `delete`: look at jobs and steer them."""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from producer.commands.stores import open_store
from producer.commands.watch import read_status
from shared.redaction import redact_uri
from shared.store import jobs
from shared.store.job_states import JobState


def cancel(connection: sa.Connection, key: int) -> None:
    """Drop what is queued; what is done is evaluated."""
    jobs.end_early(connection, key, ending=JobState.CANCELLED)


ACTIONS: dict[str, Callable[[sa.Connection, int], None]] = {
    "cancel": cancel,
    "pause": jobs.pause_job,
    "resume": jobs.resume_job,
    "delete": jobs.delete_job,
}


def act(action: str, job_id: str) -> str:
    """Do one of ACTIONS to a job; return its whole id.

    Raises:
        JobError: if there is no such job, or its state does not allow it.
    """
    with open_store() as store, store.write() as connection:
        job = jobs.get_job(connection, job_id)
        ACTIONS[action](connection, job.key)
        return job.id


def status(job_id: str) -> dict[str, Any]:
    """Return a job's status document."""
    with open_store() as store:
        return read_status(store, job_id)


def listing(limit: int) -> list[dict[str, Any]]:
    """Return a short document for each job, newest first."""
    with open_store() as store, store.read() as connection:
        return [_summary(job) for job in jobs.list_jobs(connection, limit=limit)]


def _summary(job: jobs.Job) -> dict[str, Any]:
    counts = job.counts
    return {
        "job_id": job.id,
        "state": job.state.value,
        "stalled": job.stalled_reason,
        "total": counts.total,
        "predicted": counts.predicted,
        "failed": counts.failed,
        "images_per_second": job.images_per_second,
        "source": redact_uri(job.source),
        "created_at": job.created_at,
    }


def age(unix_seconds: float) -> str:
    """Return how long ago a time was, in one unit."""
    seconds = max(0, int(time.time() - unix_seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
