"""Filler and reconciler over a real Valkey: what is published, and what is published again."""

import time

import pytest
import sqlalchemy as sa

from producer.filler import Filler
from producer.publisher import Publisher
from producer.reconciler import Reconciler, RedisGeneration
from shared.celery_app import make_celery_app
from shared.image_reference import ImageReference
from shared.queues import classify_queue
from shared.settings import Settings
from shared.store import artifacts, chunks, jobs
from shared.store.engine import Store, migrate
from shared.store.job_states import JobState
from shared.store.tables import chunks as chunks_table
from tests.support.manifests import make_manifest

CHUNKS = 3


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def store(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    migrate(url)
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def manifest():
    return make_manifest()


@pytest.fixture
def worker_key(store, manifest):
    with store.write() as connection:
        return artifacts.register_worker(
            connection,
            host="h",
            pid=1,
            device="cpu:0",
            chunk_slots=2,
            manifests=[(manifest, 1000.0)],
        )


@pytest.fixture
def job(store, manifest, worker_key):
    new = jobs.NewJob(artifact_digest=manifest.digest, source="/", deadline_seconds=3600)
    with store.write() as connection:
        job = jobs.create_job(connection, new)
        jobs.move_job(connection, job.key, JobState.ENUMERATING)
        for first in range(CHUNKS):
            reference = ImageReference(index=first, uri="https://host/x.png?secret=hush")
            chunks.insert_chunk(connection, job_key=job.key, references=[reference])
        return job


@pytest.fixture
def publisher(valkey_server):
    return Publisher(make_celery_app(valkey_server.broker_url))


@pytest.fixture
def redis(valkey_server):
    with valkey_server.client() as client:
        yield client


@pytest.fixture
def settings():
    return Settings(lease_seconds=0.2, stalled_after_seconds=5.0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reconciler(store, publisher, valkey_server, settings, clock):
    import redis as redis_library

    client = redis_library.Redis.from_url(valkey_server.client_url, decode_responses=True)
    made = Reconciler(store, publisher, RedisGeneration(client), settings, clock)
    made.step()  # the first look cannot know what Redis held before
    yield made
    client.close()


def queued(redis, manifest):
    """Messages in the artifact's queue, by kombu's priority step."""
    name = classify_queue(manifest.digest)
    lengths = {}
    for key in redis.keys(f"{name}*"):
        step = key.decode().removeprefix(name).strip("\x06\x16")
        lengths[int(step or 0)] = redis.llen(key)
    return lengths


def now(store, job):
    with store.read() as connection:
        return jobs.get_job_by_key(connection, job.key)


def test_the_filler_publishes_each_chunk_once_at_its_jobs_priority(
    store, publisher, settings, job, redis, manifest
):
    filler = Filler(store, publisher, settings)

    assert filler.step()
    assert not filler.step()
    assert queued(redis, manifest) == {5: CHUNKS}


def test_no_uri_can_be_read_in_a_messages_headers(store, publisher, settings, job, redis, manifest):
    Filler(store, publisher, settings).step()

    (key,) = redis.keys(f"{classify_queue(manifest.digest)}*")
    assert b"hush" not in redis.lindex(key, 0)  # the body is compressed, the headers are not


def test_what_lies_in_redis_and_waits_its_turn_is_left_alone(
    reconciler, store, publisher, settings, job, redis, manifest
):
    Filler(store, publisher, settings).step()
    reconciler.step()

    assert queued(redis, manifest) == {5: CHUNKS}


@pytest.mark.parametrize("disaster", ["flush_all", "restart"])
def test_a_redis_that_lost_its_data_gets_every_unclaimed_chunk_again(
    reconciler, store, publisher, settings, job, redis, manifest, valkey_server, disaster
):
    Filler(store, publisher, settings).step()
    getattr(valkey_server, disaster)()
    reconciler.step()
    reconciler.step()

    assert queued(redis, manifest) == {5: CHUNKS}


def test_a_dead_workers_chunk_jumps_the_queue(
    reconciler, store, publisher, settings, job, redis, manifest, worker_key
):
    Filler(store, publisher, settings).step()
    with store.write() as connection:
        chunk_id = connection.execute(sa.select(sa.func.min(chunks_table.c.id))).scalar_one()
        chunks.claim(
            connection,
            chunk_id=chunk_id,
            artifact_digest=manifest.digest,
            worker_key=worker_key,
            lease_seconds=settings.lease_seconds,
        )
    reconciler.step()
    before = queued(redis, manifest)
    time.sleep(2 * settings.lease_seconds)
    reconciler.step()
    reconciler.step()

    assert before == {5: CHUNKS}
    assert queued(redis, manifest) == {4: 1, 5: CHUNKS}


def test_a_job_that_nobody_serves_is_stalled_until_somebody_does(
    reconciler, store, job, clock, worker_key, manifest
):
    with store.write() as connection:
        artifacts.see_worker(connection, worker_key, stopped=True)
    reconciler.step()
    fresh = now(store, job).stalled_reason
    clock.seconds += 6
    reconciler.step()
    stalled = now(store, job).stalled_reason
    with store.write() as connection:
        artifacts.register_worker(
            connection, host="h", pid=2, device="cpu:0", chunk_slots=2, manifests=[(manifest, 1.0)]
        )
    reconciler.step()

    assert fresh is None
    assert stalled == f"no live worker serves artifact {manifest.digest[:12]}"
    assert now(store, job).stalled_reason is None


def test_a_deadline_that_passed_ends_the_job_with_what_is_done(reconciler, store, job):
    with store.write() as connection:
        connection.execute(sa.text("UPDATE jobs SET deadline_at = 1"))
    reconciler.step()

    ended = now(store, job)
    assert (ended.state, ended.ending) == (JobState.FINALIZING, "expired")
    with store.read() as connection:
        assert chunks.count_pending(connection, job.key) == 0


def test_a_redis_that_is_away_costs_nothing_but_time(
    reconciler, store, publisher, settings, job, redis, manifest, valkey_server
):
    filler = Filler(store, publisher, settings)
    valkey_server.stop()
    sent_while_away = filler.step()
    reconciler.step()
    valkey_server.start()
    filler.step()

    assert not sent_while_away
    assert queued(redis, manifest) == {5: CHUNKS}
