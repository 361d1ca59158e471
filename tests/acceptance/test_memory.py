"""A job of many images needs no more memory than a short one: samples of every process and Redis.

References to 16 real PNG files go through the real fetch, decode and crop and an artifact of input
size 8. Floors of the design: each process may grow by 20 MB from 30 % to 90 % of the job, Redis may
hold 10 MB over empty, at every sample.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.store.chunks import count_pending
from shared.store.evaluations import recount
from shared.store.job_states import ENDED
from shared.store.jobs import get_job
from shared.store.predictions import read_predictions
from tests.support.nestor_processes import NestorProcesses
from tests.support.tiny_images import FILES, write_list, write_tiny_images

MAX_GROWTH_BYTES = 20e6
MAX_REDIS_BYTES = 10e6
#: The enumeration window of one worker, generously: 60 s at 20,000 images/s, 512 a chunk.
MAX_OPEN_CHUNKS = 4 * 600
PROCESSES = ("producer", "aggregator", "worker")


@dataclass(frozen=True)
class Sample:
    share: float
    memory_bytes: dict[str, int]
    redis_bytes: int
    open_chunks: int


@pytest.mark.parametrize(
    "images",
    [
        pytest.param(100_000, marks=pytest.mark.long),
        pytest.param(1_000_000, marks=pytest.mark.soak),
    ],
)
def test_memory_stays_bounded_and_every_image_gets_its_row(
    images, tmp_path, valkey_server, tiny_artifact_size_8, expected_top1
):
    source = write_list(
        tmp_path / "list.csv", write_tiny_images(tmp_path / "images"), references=images
    )
    store_url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with (
        NestorProcesses(store_url=store_url, valkey=valkey_server, folder=tmp_path) as nestor,
        valkey_server.client() as redis,
    ):
        nestor.start_all(tiny_artifact_size_8.folder)
        empty_bytes = redis.info("memory")["used_memory"]
        job = nestor.submit(
            source,
            "tiny-8",
            labels="column:class",
            source_options={"id_column": "id", "label_column": "class"},
            allow_random=True,
        )
        samples = list(_watch(nestor, redis, job, images))
        status = nestor.status(job)

        assert status["state"] == "completed", status
        with nestor.store.read() as connection:
            counted = recount(connection, job.key, total=images)
        assert counted.as_dict() == status["counts"]
        assert counted.predicted == images
        for index, row in enumerate(read_predictions(nestor.store, job.key)):
            assert (row.index, row.class_indices[0]) == (index, expected_top1[index % FILES])
        assert index == images - 1

    late = [sample for sample in samples if 0.3 <= sample.share <= 0.9]
    assert len(late) >= 10, "too few samples: the test says nothing"
    print(f"{status['images_per_second']} images/s, {len(samples)} samples")
    for name in PROCESSES:
        seen = [sample.memory_bytes[name] for sample in late]
        growth = max(seen) - seen[0]
        print(f"{name}: {seen[0] / 1e6:.1f} MB at 30 %, grew by {growth / 1e6:.1f} MB")
        assert growth <= MAX_GROWTH_BYTES, (name, seen)
    redis_peak = max(sample.redis_bytes for sample in samples) - empty_bytes
    print(f"redis: {redis_peak / 1e6:.1f} MB over empty at most")
    assert redis_peak <= MAX_REDIS_BYTES
    assert max(sample.open_chunks for sample in samples) <= MAX_OPEN_CHUNKS


def _watch(nestor, redis, job, images):
    """Sample until the job has ended; the limit is an hour for a million images."""
    give_up_at = time.monotonic() + 60 + images * 3600 / 1e6
    while True:
        with nestor.store.read() as connection:
            now = get_job(connection, job.id)
            open_chunks = count_pending(connection, job.key)
        yield Sample(
            share=(now.predicted + now.failed) / images,
            memory_bytes={name: _resident_bytes(nestor.pid(name)) for name in PROCESSES},
            redis_bytes=redis.info("memory")["used_memory"],
            open_chunks=open_chunks,
        )
        if now.state in ENDED:
            return
        assert time.monotonic() < give_up_at, now
        time.sleep(0.25)


def _resident_bytes(pid: int) -> int:
    """Private memory of a process: what it has written, not the files it has mapped."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} is gone")
