"""Turns a job's stored predictions into the rows that leave Nestor."""

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from producer.result_row import RankedClass, ResultRow
from shared.artifact_manifest import ArtifactManifest, ClassName
from shared.store import artifacts
from shared.store.engine import Store
from shared.store.jobs import get_job
from shared.store.predictions import Prediction, read_predictions
from shared.store.tables import workers


def read_results(store: Store, job_id: str) -> Iterator[ResultRow]:
    """Yield a job's rows in index order, page by page; a running job gives what is there.

    Raises:
        JobError: if there is no such job.
    """
    with store.read() as connection:
        job = get_job(connection, job_id)
        manifest = artifacts.find_manifest(connection, job.artifact_digest)
        devices = dict(
            connection.execute(sa.select(workers.c.key, workers.c.device)).tuples().all()
        )
    return (
        result_row(prediction, manifest=manifest, devices=devices)
        for prediction in read_predictions(store, job.key)
    )


def result_row(
    prediction: Prediction, *, manifest: ArtifactManifest, devices: Mapping[int, str]
) -> ResultRow:
    """Join a prediction with the names of its classes and its device."""
    return ResultRow(
        index=prediction.index,
        id=prediction.id,
        uri=prediction.uri,
        label=prediction.label,
        label_rank=prediction.label_rank,
        status="failed" if prediction.reason else "predicted",
        reason=prediction.reason,
        topk=_ranked(prediction, manifest.classes),
        artifact_digest=manifest.digest,
        recipe_digest=manifest.recipe.digest,
        input_sha256=prediction.input_sha256.hex() if prediction.input_sha256 else None,
        device=devices.get(prediction.worker_key),
        extra=prediction.extra,
    )


def _ranked(prediction: Prediction, classes: Sequence[ClassName]) -> tuple[RankedClass, ...]:
    return tuple(
        RankedClass(
            class_index=index,
            class_id=classes[index].id,
            name=classes[index].name,
            probability=probability,
        )
        for index, probability in zip(
            prediction.class_indices, prediction.probabilities, strict=True
        )
    )
