"""What an evaluation is made of, counted from the prediction rows by SQL; and evaluations kept."""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from shared.accuracy.calibration import CALIBRATION_BINS, CalibrationBin
from shared.accuracy.comparison import Answer
from shared.accuracy.confusion import ConfusionCounts
from shared.accuracy.rates import Counts
from shared.store.engine import Store, now
from shared.store.predictions import PAGE_ROWS
from shared.store.tables import evaluations, predictions, workers

_PREDICTED = predictions.c.reason.is_(None)
_LABELLED = predictions.c.label.is_not(None)


def recount(connection: sa.Connection, job_key: int, *, total: int | None) -> Counts:
    """Count a job's rows anew; must equal what the fold added up."""

    def count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    rank = predictions.c.label_rank
    statement = sa.select(
        count(_PREDICTED).label("predicted"),
        count(sa.not_(_PREDICTED)).label("failed"),
        count(_LABELLED).label("labelled"),
        count(_LABELLED & _PREDICTED).label("predicted_labelled"),
        count(rank == 1).label("top1_correct"),
        count(rank <= 5).label("top5_correct"),
    ).where(predictions.c.job_key == job_key)
    row = connection.execute(statement).one()
    return Counts(total=total, **{name: int(value) for name, value in row._mapping.items()})


def count_failures(connection: sa.Connection, job_key: int) -> dict[str, int]:
    """Count failed images by reason."""
    statement = (
        sa.select(predictions.c.reason, sa.func.count())
        .where(predictions.c.job_key == job_key, sa.not_(_PREDICTED))
        .group_by(predictions.c.reason)
        .order_by(predictions.c.reason)
    )
    return dict(connection.execute(statement).tuples().all())


def count_confusion(connection: sa.Connection, job_key: int) -> ConfusionCounts:
    """Count (true class, predicted class) pairs over labelled predictions."""
    statement = (
        sa.select(predictions.c.label, predictions.c.top1_class, sa.func.count())
        .where(predictions.c.job_key == job_key, _LABELLED, _PREDICTED)
        .group_by(predictions.c.label, predictions.c.top1_class)
    )
    return {(label, top1): count for label, top1, count in connection.execute(statement)}


def count_calibration(connection: sa.Connection, job_key: int) -> tuple[CalibrationBin, ...]:
    """Sum labelled predictions into equal-width bins of their top-1 probability."""
    scaled = predictions.c.top1_probability * CALIBRATION_BINS
    # CAST truncates on SQLite and rounds on PostgreSQL; FLOOR is not in every SQLite.
    whole = sa.func.floor(scaled) if connection.dialect.name == "postgresql" else scaled
    number = sa.case(
        (predictions.c.top1_probability >= 1.0, CALIBRATION_BINS - 1),
        else_=sa.cast(whole, sa.Integer),
    ).label("number")
    correct = sa.case((predictions.c.label_rank == 1, 1), else_=0)
    statement = (
        sa.select(
            number,
            sa.func.count(),
            sa.func.sum(predictions.c.top1_probability),
            sa.func.sum(correct),
        )
        .where(predictions.c.job_key == job_key, _LABELLED, _PREDICTED)
        .group_by(sa.text("number"))
    )
    bins = [CalibrationBin(count=0, sum_confidence=0.0, correct=0)] * CALIBRATION_BINS
    for index, count, confidence, right in connection.execute(statement):
        bins[index] = CalibrationBin(count=count, sum_confidence=confidence, correct=int(right))
    return tuple(bins)


def devices_of(connection: sa.Connection, job_key: int) -> tuple[str, ...]:
    """Return the names of the devices that made a job's predictions."""
    keys = sa.select(predictions.c.worker_key).where(predictions.c.job_key == job_key).distinct()
    statement = sa.select(workers.c.device).where(workers.c.key.in_(keys)).distinct()
    return tuple(sorted(connection.execute(statement).scalars()))


def save_evaluation(connection: sa.Connection, job_key: int, document: Mapping[str, Any]) -> None:
    """Keep a job's evaluation; an older one of the job is replaced."""
    connection.execute(evaluations.delete().where(evaluations.c.job_key == job_key))
    connection.execute(
        evaluations.insert().values(job_key=job_key, document=dict(document), created_at=now())
    )


def load_evaluation(connection: sa.Connection, job_key: int) -> dict[str, Any] | None:
    """Return a job's evaluation document, if it has one."""
    statement = sa.select(evaluations.c.document).where(evaluations.c.job_key == job_key)
    document: dict[str, Any] | None = connection.execute(statement).scalar_one_or_none()
    return document


def answers_by_key(store: Store, job_key: int) -> Iterator[Answer]:
    """Yield a job's answers ordered by the caller's id, or the URI where there is none.

    The order is by code points on both stores; one read transaction for the whole stream.
    """
    key = sa.func.coalesce(predictions.c.external_id, predictions.c.uri).label("key")
    order = sa.collate(key, "C") if not store.is_sqlite else key
    statement = (
        sa.select(
            key,
            predictions.c.input_sha256,
            predictions.c.label,
            predictions.c.top1_class,
            predictions.c.top1_probability,
        )
        .where(predictions.c.job_key == job_key)
        .order_by(order)
        .execution_options(yield_per=PAGE_ROWS)
    )
    with store.read() as connection:
        for row in connection.execute(statement):
            yield Answer(
                key=row.key,
                input_sha256=row.input_sha256.hex() if row.input_sha256 else None,
                label=row.label,
                predicted=row.top1_class,
                probability=row.top1_probability,
            )


def most_confident_mistakes(
    connection: sa.Connection, job_key: int, *, limit: int
) -> list[sa.Row[Any]]:
    """Return index, uri, label, top1_class and top1_probability of the surest wrong answers."""
    statement = (
        sa.select(
            predictions.c.image_index,
            predictions.c.uri,
            predictions.c.label,
            predictions.c.top1_class,
            predictions.c.top1_probability,
        )
        .where(
            predictions.c.job_key == job_key,
            _LABELLED,
            _PREDICTED,
            predictions.c.label != predictions.c.top1_class,
        )
        .order_by(predictions.c.top1_probability.desc(), predictions.c.image_index)
        .limit(limit)
    )
    return list(connection.execute(statement))
