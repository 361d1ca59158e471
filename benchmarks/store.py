"""The rows of the store, on SQLite and on PostgreSQL: sizes, insert rate, status and pages.

Filled through the functions that workers use: a chunk is inserted, claimed and finished.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from statistics import median

import sqlalchemy as sa

from benchmarks.plan import Plan
from benchmarks.row import Row
from producer.commands.watch import read_status
from shared.image_reference import ImageReference
from shared.store.artifacts import register_artifact
from shared.store.chunks import claim, insert_chunk
from shared.store.engine import Store, migrate
from shared.store.jobs import Job, NewJob, create_job
from shared.store.predictions import (
    PAGE_ROWS,
    FinishedChunk,
    Outcome,
    finish_chunk,
    read_predictions,
)
from shared.store.tables import chunks
from tests.support.manifests import make_manifest
from tests.support.postgres import PostgresServer

_CHUNK_IMAGES = 250
_CLASSES = 1000
_TOPK = 5
_K = 10
_STATUS_CHUNKS = 400_000
_REPEATS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What filling a job's predictions took."""

    images: int
    uri_bytes: int
    finish_seconds: float


def store_rows(plan: Plan) -> list[Row]:
    """Measure both kinds of store."""
    rows = []
    for name, opener in (("SQLite", _sqlite), ("PostgreSQL", _postgresql)):
        print(f"  filling {name} ...", flush=True)
        with opener(plan) as url:
            migrate(url)
            with closing(Store(url)) as store:
                rows += _measure(plan, name, store)
    return rows


def _measure(plan: Plan, name: str, store: Store) -> list[Row]:
    images = plan.scaled(1_000_000, quick=2 * PAGE_ROWS)
    job = _new_job(store)
    before = _size_bytes(store, job)
    filled = _fill(store, job, images=images)
    bytes_each = (_size_bytes(store, job) - before - filled.uri_bytes) / images
    counted_chunks = plan.scaled(_STATUS_CHUNKS, quick=1000)
    many = _job_of_chunks(store, count=counted_chunks)
    status = _milliseconds(lambda: read_status(store, many.id))
    first = _milliseconds(lambda: _page(store, job, after_index=-1))
    last = _milliseconds(lambda: _page(store, job, after_index=images - 1 - PAGE_ROWS))
    rate = images / filled.finish_seconds
    measured = (
        ("bytes", "bytes a prediction, without the URI", "bytes", bytes_each, 150.0),
        ("insert", "predictions committed by one worker", "rows/s", rate, None),
        ("status", f"status of a job of {counted_chunks:,} chunks", "ms", status, 10.0),
        ("first-page", f"first page of {PAGE_ROWS:,} of {images:,} results", "ms", first, None),
        ("last-page", f"last page of {PAGE_ROWS:,} of {images:,} results", "ms", last, None),
    )
    return [
        Row(
            key=f"store-{key}-{name.lower()}",
            figure=f"{name}: {figure}",
            unit=unit,
            value=value,
            floor=floor,
            invalid_reasons=plan.invalid_reasons,
        )
        for key, figure, unit, value, floor in measured
    ]


def _fill(store: Store, job: Job, *, images: int) -> Filled:
    finish_seconds = 0.0
    uri_bytes = 0
    for first in range(0, images, _CHUNK_IMAGES):
        references = [_reference(index) for index in range(first, first + _CHUNK_IMAGES)]
        uri_bytes += sum(len(reference.uri) for reference in references)
        with store.write() as connection:
            insert_chunk(connection, job_key=job.key, references=references)
            chunk_id = connection.execute(sa.select(sa.func.max(chunks.c.id))).scalar_one()
            epoch = claim(
                connection,
                chunk_id=chunk_id,
                artifact_digest=job.artifact_digest,
                worker_key=1,
                lease_seconds=60.0,
            )
        assert epoch is not None
        finished = FinishedChunk(
            chunk_id=chunk_id,
            job_key=job.key,
            epoch=epoch,
            worker_key=1,
            topk=_TOPK,
            outcomes=[_outcome(reference) for reference in references],
            stage_seconds={},
        )
        start = time.perf_counter()
        with store.write() as connection:
            finish_chunk(connection, finished)
        finish_seconds += time.perf_counter() - start
    return Filled(images=images, uri_bytes=uri_bytes, finish_seconds=finish_seconds)


def _reference(index: int) -> ImageReference:
    uri = f"s3://a-bucket-of-images/train/n{index % _CLASSES:08}/image_{index:08}.JPEG"
    return ImageReference(index=index, uri=uri, label=index % _CLASSES)


def _outcome(reference: ImageReference) -> Outcome:
    """Make a right answer; its checksum cannot be compressed, as real ones cannot."""
    digest = hashlib.sha256(reference.uri.encode()).digest()
    return Outcome(
        reference=reference,
        class_indices=[(reference.index + rank) % _CLASSES for rank in range(_K)],
        probabilities=[digest[rank] / 256 for rank in range(_K)],
        input_sha256=digest,
    )


def _new_job(store: Store) -> Job:
    manifest = make_manifest(classes=_CLASSES)
    with store.write() as connection:
        register_artifact(connection, manifest)
        return create_job(
            connection, NewJob(artifact_digest=manifest.digest, source="s3://a-bucket-of-images/")
        )


def _job_of_chunks(store: Store, *, count: int) -> Job:
    job = _new_job(store)
    for first in range(0, count, 10_000):
        rows = [
            {
                "job_key": job.key,
                "first_index": number * _CHUNK_IMAGES,
                "size": _CHUNK_IMAGES,
                "state": "done",
                "folded": True,
                "predicted": _CHUNK_IMAGES,
            }
            for number in range(first, min(count, first + 10_000))
        ]
        with store.write() as connection:
            connection.execute(chunks.insert(), rows)
    return job


def _page(store: Store, job: Job, *, after_index: int) -> None:
    next(read_predictions(store, job.key, after_index=after_index))


def _milliseconds(call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)


def _size_bytes(store: Store, job: Job) -> int:
    relation = f"predictions_job_{job.key}"
    with store.read() as connection:
        if store.is_sqlite:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())
        statement = sa.select(sa.func.pg_total_relation_size(sa.text(f"'{relation}'::regclass")))
        return int(connection.execute(statement).scalar_one())


@contextmanager
def _sqlite(plan: Plan) -> Iterator[str]:
    yield f"sqlite:///{plan.scratch / 'benchmark.sqlite3'}"


@contextmanager
def _postgresql(_: Plan) -> Iterator[str]:
    server = PostgresServer()
    try:
        server.start()
        with server.fresh_database() as url:
            yield url
    finally:
        server.close()
