"""Machines die in mid-job; every image still gets exactly one prediction, the right one.

Real processes, real Valkey, real stores, real SIGKILL. What each image's prediction must be is
known from a run of its file straight through the recipe and the device.
"""

from collections import Counter

import pytest
import sqlalchemy as sa

from shared.store.evaluations import recount
from shared.store.tables import chunks
from tests.support.nestor_processes import NestorProcesses
from tests.support.tiny_images import FILES, write_list, write_tiny_images

IMAGES = 6000
CHUNK_SIZE = "50"
JOB_SECONDS = 120.0

#: Every fault runs on SQLite in `make test`, and on PostgreSQL in `make test-long`.
postgresql_in_the_long_run = pytest.mark.parametrize(
    "store_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)


@pytest.fixture
def tiny_list(tmp_path):
    return write_list(
        tmp_path / "list.csv", write_tiny_images(tmp_path / "images"), references=IMAGES
    )


@pytest.fixture
def nestor(store_url, persistent_valkey_server, tmp_path):
    folder = tmp_path / "nestor"
    folder.mkdir()
    with NestorProcesses(
        store_url=store_url, valkey=persistent_valkey_server, folder=folder
    ) as processes:
        yield processes


def submit(nestor, tiny_list, artifact):
    return nestor.submit(
        tiny_list,
        artifact.manifest.name,
        labels="column:class",
        source_options={"id_column": "id", "label_column": "class"},
        chunk_size=CHUNK_SIZE,
        allow_random=True,
    )


def assert_whole_and_right(nestor, job, status, expected_top1):
    """Every image exactly once, with the prediction that its file has; counters as the rows."""
    assert status["state"] == "completed", status
    rows = nestor.predictions(job)
    assert [row.index for row in rows] == list(range(IMAGES))
    assert [row.id for row in rows] == [f"item-{index}" for index in range(IMAGES)]
    assert [row.class_indices[0] for row in rows] == [
        expected_top1[index % FILES] for index in range(IMAGES)
    ]
    assert not [row for row in rows if row.reason]
    assert nestor.open_chunks(job) == 0
    with nestor.store.read() as connection:
        counted = recount(connection, job.key, total=IMAGES)
    assert counted.as_dict() == status["counts"]
    right = sum(row.class_indices[0] == row.label for row in rows)
    assert counted.top1_correct == right


@postgresql_in_the_long_run
def test_a_worker_killed_in_mid_job_loses_and_doubles_nothing(
    nestor, tiny_list, tiny_artifact_size_8, expected_top1
):
    nestor.start_all(tiny_artifact_size_8.folder)
    nestor.start_worker(tiny_artifact_size_8.folder, name="second")
    nestor.wait_for_log("second", "worker_ready")
    job = submit(nestor, tiny_list, tiny_artifact_size_8)

    nestor.wait_for(job, done=IMAGES // 10)
    nestor.kill("worker")
    nestor.wait_for(job, done=IMAGES // 2)
    nestor.kill("second")
    nestor.start_again("worker")
    status = nestor.wait_for_end(job, seconds=JOB_SECONDS)

    assert_whole_and_right(nestor, job, status, expected_top1)
    with nestor.store.read() as connection:
        epochs = Counter(connection.execute(sa.select(chunks.c.epoch)).scalars())
    assert max(epochs) > 1, "no chunk was taken over: the kills hit nothing, the test is void"


@postgresql_in_the_long_run
def test_redis_killed_and_restarted_in_mid_job_loses_and_doubles_nothing(
    nestor, persistent_valkey_server, tiny_list, tiny_artifact_size_8, expected_top1
):
    nestor.start_all(tiny_artifact_size_8.folder)
    worker = nestor.pid("worker")
    job = submit(nestor, tiny_list, tiny_artifact_size_8)

    for part in (4, 2):
        nestor.wait_for(job, done=IMAGES // part)
        persistent_valkey_server.restart(kill=True, down_seconds=1.0)
    status = nestor.wait_for_end(job, seconds=JOB_SECONDS)

    assert_whole_and_right(nestor, job, status, expected_top1)
    assert nestor.is_running("worker")
    assert nestor.pid("worker") == worker


@postgresql_in_the_long_run
def test_redis_emptied_in_mid_job_loses_and_doubles_nothing(
    nestor, persistent_valkey_server, tiny_list, tiny_artifact_size_8, expected_top1
):
    nestor.start_all(tiny_artifact_size_8.folder)
    job = submit(nestor, tiny_list, tiny_artifact_size_8)

    for part in (4, 2):
        nestor.wait_for(job, done=IMAGES // part)
        persistent_valkey_server.flush_all()
    status = nestor.wait_for_end(job, seconds=JOB_SECONDS)

    assert_whole_and_right(nestor, job, status, expected_top1)


@postgresql_in_the_long_run
def test_producer_and_aggregator_killed_in_mid_job_go_on_where_they_were(
    nestor, tiny_list, tiny_artifact_size_8, expected_top1
):
    nestor.start_all(tiny_artifact_size_8.folder)
    job = submit(nestor, tiny_list, tiny_artifact_size_8)

    for part in (10, 4, 2):
        nestor.wait_for(job, done=IMAGES // part)
        for name in ("producer", "aggregator"):
            nestor.kill(name)
            nestor.start_again(name)
    status = nestor.wait_for_end(job, seconds=JOB_SECONDS)

    assert_whole_and_right(nestor, job, status, expected_top1)


@postgresql_in_the_long_run
def test_sigterm_finishes_what_is_in_hand_and_hands_nothing_on_twice(
    nestor, tiny_list, tiny_artifact_size_8, expected_top1
):
    nestor.start_all(tiny_artifact_size_8.folder)
    job = submit(nestor, tiny_list, tiny_artifact_size_8)

    nestor.wait_for(job, done=IMAGES // 4)
    code = nestor.stop("worker")
    with nestor.store.read() as connection:
        leased = connection.execute(
            sa.select(sa.func.count()).where(chunks.c.state == "pending", chunks.c.epoch > 0)
        ).scalar_one()
    nestor.start_again("worker")
    status = nestor.wait_for_end(job, seconds=JOB_SECONDS)

    assert code == 0
    assert leased == 0, "a chunk was left in hand"
    assert_whole_and_right(nestor, job, status, expected_top1)
    with nestor.store.read() as connection:
        assert set(connection.execute(sa.select(chunks.c.epoch)).scalars()) == {1}
