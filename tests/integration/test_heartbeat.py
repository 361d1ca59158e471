"""The heartbeat keeps what its worker holds, and tells what it lost."""

import time

import pytest
import sqlalchemy as sa

from shared.errors import PipelineStopped
from shared.image_reference import ImageReference
from shared.settings import Settings
from shared.store import artifacts, chunks, jobs
from shared.store.job_states import JobState
from shared.store.tables import chunks as chunks_table
from tests.support.manifests import make_manifest
from tests.support.waiting import wait_until
from worker.heartbeat import Heartbeat
from worker.pipeline.chunk_progress import ChunkProgress
from worker.pipeline.stage_clock import StageClock
from worker.rate_meter import RateMeter
from worker.worker_state import WorkerState

LEASE_SECONDS = 0.6


@pytest.fixture
def chunk(store):
    """A claimed chunk of a running job: (id, job, epoch, worker key)."""
    manifest = make_manifest()
    with store.write() as connection:
        key = artifacts.register_worker(
            connection, host="h", pid=1, device="cpu:0", chunk_slots=4, manifests=[(manifest, 1.0)]
        )
        job = jobs.create_job(connection, jobs.NewJob(artifact_digest=manifest.digest, source="/"))
        jobs.move_job(connection, job.key, JobState.ENUMERATING)
        chunks.insert_chunk(
            connection, job_key=job.key, references=[ImageReference(index=0, uri="/0.png")]
        )
        chunk_id = connection.execute(sa.select(chunks_table.c.id)).scalar_one()
    return chunk_id, job, claim(store, chunk_id, job, key), key


def claim(store, chunk_id, job, worker_key):
    with store.write() as connection:
        return chunks.claim(
            connection,
            chunk_id=chunk_id,
            artifact_digest=job.artifact_digest,
            worker_key=worker_key,
            lease_seconds=LEASE_SECONDS,
        )


@pytest.fixture
def state(store, chunk):
    return WorkerState(
        key=chunk[3],
        store=store,
        settings=Settings(lease_seconds=LEASE_SECONDS),
        clock=StageClock(),
        meter=RateMeter({chunk[1].artifact_digest: 1.0}),
    )


@pytest.fixture
def heartbeat(state):
    beating = Heartbeat(state)
    beating.start()
    yield beating
    beating.stop()


def test_a_held_chunk_stays_its_workers_far_beyond_one_lease(store, state, chunk, heartbeat):
    chunk_id, job, epoch, _ = chunk
    state.held.add(chunk_id, epoch)

    time.sleep(3 * LEASE_SECONDS)

    assert claim(store, chunk_id, job, 99) is None
    state.held.remove(chunk_id)
    wait_until(lambda: claim(store, chunk_id, job, 99) == epoch + 1, seconds=5)


def test_a_chunk_that_was_taken_away_is_given_up(store, state, chunk, heartbeat):
    chunk_id, _, epoch, _ = chunk
    held = state.held.add(chunk_id, epoch - 1)  # as if another worker had claimed it since
    held.progress = ChunkProgress([ImageReference(index=0, uri="/0.png")])

    with pytest.raises(PipelineStopped, match="taken away"):
        held.progress.wait()


def test_a_living_worker_counts_as_capacity_and_tells_its_rate(
    store, state, chunk, heartbeat, monkeypatch
):
    monkeypatch.setattr("worker.rate_meter.WINDOW_SECONDS", 0.3)
    chunk_id, job, epoch, _ = chunk
    state.held.add(chunk_id, epoch)

    def tells_a_new_rate():
        state.meter.finished(job.artifact_digest, 100)
        with store.read() as connection:
            return artifacts.capacity(connection, job.artifact_digest).images_per_second > 100

    wait_until(tells_a_new_rate, seconds=15)
