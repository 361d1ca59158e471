"""Jobs: create, look up, and move from state to state."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from shared.accuracy.rates import Counts
from shared.errors import JobError
from shared.store.engine import now
from shared.store.job_states import ACTIVE, ENDED, ENDING, JobState, may_follow
from shared.store.tables import PENDING, chunks, jobs, predictions

#: kombu's priority steps; see shared.queues.
_PRIORITIES = {"high": 2, "normal": 5, "low": 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a caller asks for; `source_options` and `labels` are the texts of the command line."""

    id: str = field(default_factory=lambda: secrets.token_hex(6))
    artifact_digest: str
    source: str
    source_options: Mapping[str, Any] = field(default_factory=dict)
    labels: str = "folders"
    topk: int = 5
    chunk_size: int = 256
    priority: str = "normal"
    max_failure_rate: float = 0.5
    deadline_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands in the store; see `tables.jobs` for the columns."""

    key: int
    id: str
    artifact_digest: str
    source: str
    source_options: Mapping[str, Any]
    labels: str
    topk: int
    chunk_size: int
    priority: int
    max_failure_rate: float
    deadline_at: float | None
    state: JobState
    state_times: Mapping[str, float]
    ending: str | None
    stalled_reason: str | None
    error: str | None
    cursor: str | None
    cursor_version: int
    next_index: int
    listing_done: bool
    unresolved_labels: Mapping[str, Any] | None
    created_at: float
    first_claimed_at: float | None
    last_done_at: float | None
    finished_at: float | None
    predicted: int
    failed: int
    labelled: int
    scored: int
    top1_correct: int
    top5_correct: int
    failures: Mapping[str, int]
    stage_seconds: Mapping[str, Mapping[str, float]]

    @property
    def total(self) -> int | None:
        """How many images there are; None until listing has ended."""
        return self.next_index if self.listing_done else None

    @property
    def counts(self) -> Counts:
        """The counters that the fold has added up so far."""
        return Counts(
            total=self.total,
            predicted=self.predicted,
            failed=self.failed,
            labelled=self.labelled,
            predicted_labelled=self.scored,
            top1_correct=self.top1_correct,
            top5_correct=self.top5_correct,
        )

    @property
    def images_per_second(self) -> float | None:
        """The mean rate from the first claim to the last commit that was folded."""
        if self.first_claimed_at is None or self.last_done_at is None:
            return None
        seconds = max(self.last_done_at - self.first_claimed_at, 1e-3)
        return round((self.predicted + self.failed) / seconds, 2)

    @property
    def is_ended(self) -> bool:
        """Whether nothing will change any more by itself."""
        return self.state in ENDED


def priority_step(name: str) -> int:
    """Return kombu's step for a priority name; a lower number is served first."""
    try:
        return _PRIORITIES[name]
    except KeyError as error:
        raise JobError(f"priority '{name}' is unknown: use high, normal or low") from error


def create_job(connection: sa.Connection, new: NewJob) -> Job:
    """Insert a job in state `queued`; on PostgreSQL its partition of predictions too."""
    deadline = None if new.deadline_seconds is None else now() + new.deadline_seconds
    statement = jobs.insert().values(
        id=new.id,
        artifact_digest=new.artifact_digest,
        source=new.source,
        source_options=dict(new.source_options),
        labels=new.labels,
        topk=new.topk,
        chunk_size=new.chunk_size,
        priority=priority_step(new.priority),
        max_failure_rate=new.max_failure_rate,
        deadline_at=deadline,
        state=JobState.QUEUED,
        state_times={},
        created_at=now(),
        failures={},
        stage_seconds={},
    )
    key = connection.execute(statement.returning(jobs.c.key)).scalar_one()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            f"CREATE TABLE predictions_job_{int(key)} PARTITION OF predictions"
            f" FOR VALUES IN ({int(key)})"
        )
    _stamp(connection, key, JobState.QUEUED)
    return get_job_by_key(connection, key)


def get_job(connection: sa.Connection, job_id: str) -> Job:
    """Look a job up by the id that people see; a unique beginning of it will do.

    Raises:
        JobError: if there is none, or more than one.
    """
    found = connection.execute(
        jobs.select().where(jobs.c.id.startswith(job_id, autoescape=True)).limit(2)
    ).all()
    if not found:
        raise JobError(f"there is no job '{job_id}': see 'nestor jobs'")
    if len(found) > 1:
        raise JobError(f"'{job_id}' is the beginning of more than one job: give more of it")
    return _job(found[0])


def get_job_by_key(connection: sa.Connection, key: int) -> Job:
    """Look a job up by its key."""
    return _job(connection.execute(jobs.select().where(jobs.c.key == key)).one())


def lock_job(connection: sa.Connection, key: int) -> Job:
    """Look a job up and hold its row until the transaction ends."""
    return _job(connection.execute(jobs.select().where(jobs.c.key == key).with_for_update()).one())


def list_jobs(
    connection: sa.Connection, *, states: Sequence[JobState] | None = None, limit: int = 1000
) -> list[Job]:
    """Return jobs, newest first."""
    statement = jobs.select().order_by(jobs.c.key.desc()).limit(limit)
    if states is not None:
        statement = statement.where(jobs.c.state.in_(states))
    return [_job(row) for row in connection.execute(statement)]


def open_jobs(connection: sa.Connection) -> list[Job]:
    """Return the jobs that still move, most urgent and then oldest first."""
    statement = (
        jobs.select()
        .where(jobs.c.state.in_([*ACTIVE, *ENDING]))
        .order_by(jobs.c.priority, jobs.c.key)
    )
    return [_job(row) for row in connection.execute(statement)]


def move_job(connection: sa.Connection, key: int, state: JobState, **values: Any) -> Job:
    """Move a job to `state`, with other columns beside it: the one place where states change.

    Raises:
        JobError: if the job's present state does not allow it.
    """
    job = lock_job(connection, key)
    if not may_follow(job.state, state):
        raise JobError(f"job {job.id} is {job.state}: it cannot become {state}")
    connection.execute(jobs.update().where(jobs.c.key == key).values(state=state, **values))
    _stamp(connection, key, state)
    return get_job_by_key(connection, key)


def end_early(
    connection: sa.Connection, key: int, *, ending: JobState, error: str | None = None
) -> None:
    """Drop what is queued; the aggregator evaluates what is done and ends the job as `ending`."""
    through = JobState.CANCELLING if ending is JobState.CANCELLED else JobState.FINALIZING
    move_job(connection, key, through, ending=ending, error=error, stalled_reason=None)
    connection.execute(
        chunks.update()
        .where(chunks.c.job_key == key, PENDING)
        .values(state="cancelled", image_references=None)
    )


def pause_job(connection: sa.Connection, key: int) -> None:
    """Stop publishing and claiming; what workers have in hand is finished."""
    move_job(connection, key, JobState.PAUSED, stalled_reason=None)


def resume_job(connection: sa.Connection, key: int) -> None:
    """Go on after a pause; what was in Redis is published again."""
    job = lock_job(connection, key)
    move_job(connection, key, JobState.RUNNING if job.listing_done else JobState.ENUMERATING)
    connection.execute(
        chunks.update()
        .where(chunks.c.job_key == key, PENDING, chunks.c.lease_until < now())
        .values(published_at=None, publish_count=0)
    )


def delete_job(connection: sa.Connection, key: int) -> None:
    """Remove an ended job with everything that belongs to it."""
    job = lock_job(connection, key)
    if not job.is_ended:
        raise JobError(f"job {job.id} is {job.state}: cancel it first (nestor cancel {job.id})")
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"DROP TABLE predictions_job_{int(key)}")
    else:
        connection.execute(predictions.delete().where(predictions.c.job_key == key))
    connection.execute(jobs.delete().where(jobs.c.key == key))


def _stamp(connection: sa.Connection, key: int, state: JobState) -> None:
    row = connection.execute(
        sa.select(jobs.c.state_times, now().label("now")).where(jobs.c.key == key)
    ).one()
    connection.execute(
        jobs.update()
        .where(jobs.c.key == key)
        .values(state_times={**row.state_times, state.value: row.now})
    )


def _job(row: sa.Row[Any]) -> Job:
    values = {name: row._mapping[name] for name in Job.__slots__}
    return Job(**{**values, "state": JobState(values["state"])})
