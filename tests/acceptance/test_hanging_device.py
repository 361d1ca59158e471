"""A device call that never returns: the worker notices, leaves, and another one does its chunks."""

from tests.support.nestor_processes import NestorProcesses
from tests.support.tiny_images import write_list, write_tiny_images
from tests.support.waiting import wait_until
from worker.heartbeat import EXIT_STALLED
from worker.lifecycle import EXIT_DEVICE_SICK

IMAGES = 400


def test_a_worker_whose_device_hangs_leaves_and_no_image_is_blamed(
    tmp_path, valkey_server, simulated_artifact
):
    source = write_list(
        tmp_path / "list.csv", write_tiny_images(tmp_path / "images"), references=IMAGES
    )
    variables = {"NESTOR_STALL_SECONDS": "3"}
    with NestorProcesses(
        store_url=f"sqlite:///{tmp_path / 'store.sqlite3'}",
        valkey=valkey_server,
        folder=tmp_path,
        variables=variables,
    ) as nestor:
        # The self-test's batches come first.
        nestor.start_all(simulated_artifact.folder, device="simulated:0?hang_batch=12")
        job = nestor.submit(
            source,
            simulated_artifact.manifest.name,
            labels="none",
            chunk_size="20",
            allow_random=True,
        )
        wait_until(lambda: not nestor.is_running("worker"), seconds=60)
        assert nestor.exit_code("worker") == EXIT_STALLED
        assert "worker_stalled" in nestor.log("worker")

        nestor.start_worker(simulated_artifact.folder, device="simulated:1", name="healthy")
        status = nestor.wait_for_end(job)

    assert (status["state"], status["counts"]["predicted"]) == ("completed", IMAGES)
    assert status["failures"] == {}


def test_a_sick_device_takes_its_worker_out_and_no_image_is_blamed(
    tmp_path, valkey_server, simulated_artifact
):
    source = write_list(
        tmp_path / "list.csv", write_tiny_images(tmp_path / "images"), references=IMAGES
    )
    with NestorProcesses(
        store_url=f"sqlite:///{tmp_path / 'store.sqlite3'}", valkey=valkey_server, folder=tmp_path
    ) as nestor:
        nestor.start_all(simulated_artifact.folder, device="simulated:0?fail_from=12")
        job = nestor.submit(
            source,
            simulated_artifact.manifest.name,
            labels="none",
            chunk_size="20",
            allow_random=True,
        )
        wait_until(lambda: not nestor.is_running("worker"), seconds=60)
        assert nestor.exit_code("worker") == EXIT_DEVICE_SICK

        nestor.start_worker(simulated_artifact.folder, device="simulated:1", name="healthy")
        status = nestor.wait_for_end(job)

    assert (status["state"], status["counts"]["predicted"]) == ("completed", IMAGES)
    assert status["failures"] == {}
