"""Predictions: one row an image, written once with its chunk's end; read by key, page by page."""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from shared.image_reference import ImageReference
from shared.store.engine import Store, now
from shared.store.tables import PENDING, chunks, predictions

#: Rows of one page when a job's predictions are read from end to end.
PAGE_ROWS = 2000
#: Messages of failed images are cut here, so that rows stay small.
MAX_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one image: a top-k list, or a reason why not.

    `class_indices` and `probabilities` are as long as the graph's K, best first.
    """

    reference: ImageReference
    reason: str | None = None
    stage: str | None = None
    message: str | None = None
    class_indices: Sequence[int] = ()
    probabilities: Sequence[float] = ()
    input_sha256: bytes | None = None

    @property
    def label_rank(self) -> int | None:
        """The 1-based rank of the true class among the K best; None if absent or unlabelled."""
        label = self.reference.label
        if label is None or label not in self.class_indices:
            return None
        return self.class_indices.index(label) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedChunk:
    """What a worker commits for a chunk that it holds by `epoch`."""

    chunk_id: int
    job_key: int
    epoch: int
    worker_key: int
    topk: int
    outcomes: Sequence[Outcome]
    stage_seconds: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A prediction as it lies in the store."""

    index: int
    uri: str
    id: str | None
    extra: Mapping[str, Any] | None
    label: int | None
    label_rank: int | None
    reason: str | None
    stage: str | None
    message: str | None
    class_indices: tuple[int, ...]
    probabilities: tuple[float, ...]
    input_sha256: bytes | None
    worker_key: int
    attempt: int
    made_at: float


def tally(outcomes: Sequence[Outcome]) -> tuple[dict[str, int], dict[str, int]]:
    """Count outcomes: the chunk's counters, and failures by reason."""
    counters: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for outcome in outcomes:
        labelled = outcome.reference.label is not None
        counters["labelled"] += labelled
        if outcome.reason is not None:
            counters["failed"] += 1
            failures[outcome.reason] += 1
            continue
        counters["predicted"] += 1
        counters["scored"] += labelled
        rank = outcome.label_rank
        counters["top1_correct"] += rank == 1
        counters["top5_correct"] += rank is not None and rank <= 5
    return dict(counters), dict(failures)


def finish_chunk(connection: sa.Connection, finished: FinishedChunk) -> bool:
    """Write a chunk's end and its predictions; False, and nothing written, if the fence is shut.

    Plain inserts: a unique violation here would mean that the fence failed, and must be loud.
    """
    counters, failures = tally(finished.outcomes)
    statement = (
        chunks.update()
        .where(
            chunks.c.id == finished.chunk_id,
            chunks.c.epoch == finished.epoch,
            PENDING,
        )
        .values(
            state="done",
            done_at=now(),
            image_references=None,
            folded=False,
            failures=failures,
            stage_seconds=finished.stage_seconds,
            **counters,
        )
        .returning(chunks.c.done_at)
    )
    done_at = connection.execute(statement).scalar_one_or_none()
    if done_at is None:
        return False
    connection.execute(
        predictions.insert(), [_row(finished, outcome, done_at) for outcome in finished.outcomes]
    )
    return True


def read_predictions(
    store: Store,
    job_key: int,
    *,
    after_index: int = -1,
    where: sa.ColumnElement[bool] | None = None,
) -> Iterator[Prediction]:
    """Yield a job's predictions in index order, each page in a short transaction of its own."""
    while True:
        statement = (
            predictions.select()
            .where(predictions.c.job_key == job_key, predictions.c.image_index > after_index)
            .order_by(predictions.c.image_index)
            .limit(PAGE_ROWS)
        )
        if where is not None:
            statement = statement.where(where)
        with store.read() as connection:
            page = connection.execute(statement).all()
        for row in page:
            yield _prediction(row)
        if len(page) < PAGE_ROWS:
            return
        after_index = page[-1].image_index


def pack_topk(class_indices: Sequence[int], probabilities: Sequence[float]) -> bytes:
    """Pack a top-k list: little-endian int32 indices, then float32 probabilities."""
    return struct.pack(
        f"<{len(class_indices)}i{len(probabilities)}f", *class_indices, *probabilities
    )


def unpack_topk(packed: bytes) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Read what `pack_topk` wrote."""
    count = len(packed) // 8
    values = struct.unpack(f"<{count}i{count}f", packed)
    return values[:count], values[count:]


def _row(finished: FinishedChunk, outcome: Outcome, done_at: float) -> dict[str, Any]:
    reference = outcome.reference
    good = outcome.reason is None
    k = finished.topk
    return {
        "job_key": finished.job_key,
        "image_index": reference.index,
        "uri": reference.uri,
        "external_id": reference.id,
        "extra": dict(reference.extra) if reference.extra else None,
        "label": reference.label,
        "label_rank": outcome.label_rank,
        "reason": outcome.reason,
        "stage": outcome.stage,
        "message": outcome.message[:MAX_MESSAGE_CHARACTERS] if outcome.message else None,
        "top1_class": outcome.class_indices[0] if good else None,
        "top1_probability": outcome.probabilities[0] if good else None,
        "topk": pack_topk(outcome.class_indices[:k], outcome.probabilities[:k]) if good else None,
        "input_sha256": outcome.input_sha256,
        "worker_key": finished.worker_key,
        "attempt": finished.epoch,
        "made_at": done_at,
    }


def _prediction(row: sa.Row[Any]) -> Prediction:
    class_indices, probabilities = unpack_topk(row.topk or b"")
    return Prediction(
        index=row.image_index,
        uri=row.uri,
        id=row.external_id,
        extra=row.extra,
        label=row.label,
        label_rank=row.label_rank,
        reason=row.reason,
        stage=row.stage,
        message=row.message,
        class_indices=class_indices,
        probabilities=probabilities,
        input_sha256=row.input_sha256,
        worker_key=row.worker_key,
        attempt=row.attempt,
        made_at=row.made_at,
    )
