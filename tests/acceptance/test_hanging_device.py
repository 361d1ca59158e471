"""A device that hangs or fails takes its worker out; no image is blamed, another worker goes on."""

import pytest

from tests.support.nestor_processes import NestorProcesses
from tests.support.tiny_images import write_list, write_tiny_images
from tests.support.waiting import wait_until
from worker.heartbeat import EXIT_STALLED
from worker.lifecycle import EXIT_DEVICE_SICK

IMAGES = 400


@pytest.mark.parametrize(
    ("fault", "exit_code", "says"),
    [
        # The self-test's batches come first.
        pytest.param("hang_batch=12", EXIT_STALLED, "worker_stalled", marks=pytest.mark.long),
        ("fail_from=12", EXIT_DEVICE_SICK, "device_failed"),
    ],
)
def test_a_hanging_or_sick_device_takes_its_worker_out_and_blames_no_image(
    tmp_path, valkey_server, simulated_artifact, fault, exit_code, says
):
    source = write_list(
        tmp_path / "list.csv", write_tiny_images(tmp_path / "images"), references=IMAGES
    )
    with NestorProcesses(
        store_url=f"sqlite:///{tmp_path / 'store.sqlite3'}",
        valkey=valkey_server,
        folder=tmp_path,
        variables={"NESTOR_STALL_SECONDS": "3"},
    ) as nestor:
        nestor.start_all(simulated_artifact.folder, device=f"simulated:0?{fault}")
        job = nestor.submit(
            source,
            simulated_artifact.manifest.name,
            labels="none",
            chunk_size="20",
            allow_random=True,
        )
        wait_until(lambda: not nestor.is_running("worker"), seconds=60)
        assert nestor.exit_code("worker") == exit_code
        assert says in nestor.log("worker")

        nestor.start_worker(simulated_artifact.folder, device="simulated:1", name="healthy")
        status = nestor.wait_for_end(job)

    assert (status["state"], status["counts"]["predicted"]) == ("completed", IMAGES)
    assert status["failures"] == {}
