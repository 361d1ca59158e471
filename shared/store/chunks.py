"""Chunks: the ledger. A message is only a hint; these rows say what is to be done and by whom.

The claim and the epoch are the fence: whoever holds the newest epoch may finish, nobody else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from shared.image_reference import ImageReference, pack_references
from shared.store.engine import now
from shared.store.job_states import ACTIVE
from shared.store.tables import PENDING, chunks, jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingChunk:
    """A chunk to publish; `image_references` is packed."""

    id: int
    job_key: int
    artifact_digest: str
    priority: int
    topk: int
    image_references: bytes
    is_retry: bool


def insert_chunk(
    connection: sa.Connection,
    *,
    job_key: int,
    references: Sequence[ImageReference],
    generation: int = 0,
) -> None:
    """Add a pending chunk; unique by job, first index and generation."""
    connection.execute(
        chunks.insert().values(
            job_key=job_key,
            first_index=references[0].index,
            generation=generation,
            size=len(references),
            image_references=pack_references(references),
        )
    )


def claim(
    connection: sa.Connection,
    *,
    chunk_id: int,
    artifact_digest: str,
    worker_key: int,
    lease_seconds: float,
) -> int | None:
    """Take a chunk whose lease has run out; return the new epoch, or None: drop the message.

    The chunk's job must be active and pinned to `artifact_digest`.
    """
    claimable_jobs = sa.select(jobs.c.key).where(
        jobs.c.artifact_digest == artifact_digest, jobs.c.state.in_(ACTIVE)
    )
    statement = (
        chunks.update()
        .where(
            chunks.c.id == chunk_id,
            PENDING,
            chunks.c.lease_until < now(),
            chunks.c.not_before <= now(),
            chunks.c.job_key.in_(claimable_jobs),
        )
        .values(
            epoch=chunks.c.epoch + 1,
            lease_until=now() + lease_seconds,
            worker_key=worker_key,
            claimed_at=now(),
        )
        .returning(chunks.c.epoch)
    )
    epoch: int | None = connection.execute(statement).scalar_one_or_none()
    return epoch


def renew(
    connection: sa.Connection, held: Mapping[int, int], *, worker_key: int, lease_seconds: float
) -> set[int]:
    """Extend the leases of chunks held by their epochs; return the ids that are lost."""
    if not held:
        return set()
    statement = (
        chunks.update()
        .where(
            PENDING,
            chunks.c.worker_key == worker_key,
            sa.tuple_(chunks.c.id, chunks.c.epoch).in_(sorted(held.items())),
        )
        .values(lease_until=now() + lease_seconds)
        .returning(chunks.c.id)
    )
    renewed = set(connection.execute(statement).scalars())
    return set(held) - renewed


def release(
    connection: sa.Connection, *, chunk_id: int, epoch: int, delay_seconds: float = 0.0
) -> bool:
    """Hand a claimed chunk back unfinished: the next epoch may take it after the delay."""
    statement = (
        chunks.update()
        .where(chunks.c.id == chunk_id, chunks.c.epoch == epoch, PENDING)
        .values(
            epoch=epoch + 1,
            lease_until=0,
            not_before=now() + delay_seconds,
            published_at=None,
        )
    )
    return bool(connection.execute(statement).rowcount == 1)


def count_pending(connection: sa.Connection, job_key: int) -> int:
    """Count the chunks of a job that are not done: what the enumeration window bounds."""
    statement = sa.select(sa.func.count()).where(chunks.c.job_key == job_key, PENDING)
    return int(connection.execute(statement).scalar_one())


def count_published(connection: sa.Connection, job_key: int) -> int:
    """Count the chunks of a job that are in Redis or with a worker."""
    statement = sa.select(sa.func.count()).where(
        chunks.c.job_key == job_key,
        PENDING,
        chunks.c.published_at.is_not(None),
    )
    return int(connection.execute(statement).scalar_one())


def to_publish(connection: sa.Connection, job_key: int, limit: int) -> list[PendingChunk]:
    """Return the next chunks of a job that have not been published, in order."""
    statement = _pending().where(
        chunks.c.job_key == job_key,
        chunks.c.published_at.is_(None),
        chunks.c.not_before <= now(),
    )
    return _pending_chunks(connection, statement.limit(limit))


def to_republish(
    connection: sa.Connection, job_key: int, *, patience_seconds: float, everything: bool
) -> list[PendingChunk]:
    """Return a job's published chunks that nobody works on and whose message seems lost.

    That is: the lease has run out since the last publication; or nobody claimed it for
    `patience_seconds` times the number of its publications; or, with `everything`, any
    unclaimed one.
    """
    lease_ran_out = sa.and_(chunks.c.lease_until > 0, chunks.c.published_at <= chunks.c.lease_until)
    waited = now() - chunks.c.published_at
    silent = (
        waited > patience_seconds * chunks.c.publish_count
        if math.isfinite(patience_seconds)
        else sa.false()
    )
    statement = _pending().where(
        chunks.c.job_key == job_key,
        chunks.c.published_at.is_not(None),
        chunks.c.lease_until < now(),
        sa.true() if everything else sa.or_(lease_ran_out, silent),
    )
    return _pending_chunks(connection, statement)


def mark_published(connection: sa.Connection, chunk_ids: Sequence[int]) -> None:
    """Note that messages for these chunks were sent just now."""
    connection.execute(
        chunks.update()
        .where(chunks.c.id.in_(chunk_ids), PENDING)
        .values(published_at=now(), publish_count=chunks.c.publish_count + 1)
    )


def _pending() -> sa.Select[tuple[int, int, str, int, int, bytes, int]]:
    return (
        sa.select(
            chunks.c.id,
            chunks.c.job_key,
            jobs.c.artifact_digest,
            jobs.c.priority,
            jobs.c.topk,
            chunks.c.image_references,
            chunks.c.epoch,
        )
        .join(jobs, jobs.c.key == chunks.c.job_key)
        .where(PENDING, jobs.c.state.in_(ACTIVE))
        .order_by(chunks.c.id)
    )


def _pending_chunks(
    connection: sa.Connection,
    statement: sa.Select[tuple[int, int, str, int, int, bytes, int]],
) -> list[PendingChunk]:
    return [
        PendingChunk(
            id=row.id,
            job_key=row.job_key,
            artifact_digest=row.artifact_digest,
            priority=row.priority,
            topk=row.topk,
            image_references=row.image_references,
            is_retry=row.epoch > 0,
        )
        for row in connection.execute(statement)
    ]
