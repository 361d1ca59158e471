"""The fold: adds finished chunks to their jobs' counters, each chunk exactly once.

Workers never touch the job's row, so no row is hot; a chunk that commits late is simply folded
later. Chunk rows are marked in the same transaction that adds them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from shared.store.jobs import lock_job
from shared.store.tables import COUNTERS, PENDING, UNFOLDED, chunks, jobs

#: Chunks of one fold transaction.
MAX_CHUNKS = 1000


def fold_finished_chunks(connection: sa.Connection) -> int:
    """Fold up to MAX_CHUNKS chunks; return how many there were."""
    statement = (
        sa.select(chunks)
        .where(UNFOLDED)
        .order_by(chunks.c.job_key, chunks.c.id)
        .limit(MAX_CHUNKS)
        .with_for_update(skip_locked=True)
    )
    finished = connection.execute(statement).all()
    for job_key in sorted({chunk.job_key for chunk in finished}):
        _fold_into_job(connection, job_key, [c for c in finished if c.job_key == job_key])
    if finished:
        connection.execute(
            chunks.update()
            .where(chunks.c.id.in_([chunk.id for chunk in finished]))
            .values(folded=True)
        )
    return len(finished)


def is_settled(connection: sa.Connection, job_key: int) -> bool:
    """Say whether no chunk of a job is open and none unfolded: one statement, one snapshot."""
    of_job = sa.select(sa.literal(1)).where(chunks.c.job_key == job_key)
    unsettled = sa.union_all(of_job.where(PENDING), of_job.where(UNFOLDED)).limit(1)
    return connection.execute(unsettled).first() is None


def _fold_into_job(
    connection: sa.Connection, job_key: int, finished: Sequence[sa.Row[Any]]
) -> None:
    job = lock_job(connection, job_key)
    failures = Counter(job.failures)
    stage_seconds: Mapping[str, Mapping[str, float]] = job.stage_seconds
    for chunk in finished:
        failures.update(chunk.failures or {})
        stage_seconds = add_stage_seconds(stage_seconds, chunk.stage_seconds or {})
    values: dict[str, Any] = {
        name: jobs.c[name] + sum(getattr(chunk, name) for chunk in finished) for name in COUNTERS
    }
    started = [chunk.claimed_at for chunk in finished] + [job.first_claimed_at]
    ended = [chunk.done_at for chunk in finished] + [job.last_done_at]
    values["first_claimed_at"] = min(time for time in started if time is not None)
    values["last_done_at"] = max(time for time in ended if time is not None)
    values["failures"] = dict(failures)
    values["stage_seconds"] = stage_seconds
    connection.execute(jobs.update().where(jobs.c.key == job_key).values(values))


def add_stage_seconds(
    left: Mapping[str, Mapping[str, float]], right: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Add two tables of stage -> kind -> seconds."""
    stages = left.keys() | right.keys()
    return {
        stage: {
            kind: left.get(stage, {}).get(kind, 0.0) + right.get(stage, {}).get(kind, 0.0)
            for kind in left.get(stage, {}).keys() | right.get(stage, {}).keys()
        }
        for stage in sorted(stages)
    }
