"""`nestor up` as a user runs it: real processes, real signals."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from producer.commands.submit import Submission, submit
from producer.commands.watch import read_status
from producer.local_stack.embedded_valkey import private_socket_path
from producer.local_stack.stack_file import connect_to_running_stack, read_stack_file
from shared.settings import Settings
from shared.store.engine import Store
from shared.store.job_states import ENDED
from tests.support.pictures import draw_picture
from tests.support.waiting import wait_until

ARTIFACT_NAME = "resnest_tiny-cpu-fp32"
START_SECONDS = 120.0

Up = subprocess.Popen[str]
StartUp = Callable[[], Up]


@pytest.fixture(scope="module")
def random_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with random weights, compiled by the command."""
    folder = tmp_path_factory.mktemp("compiled") / "artifact"
    words = "compile resnest_tiny --device cpu --precision fp32 --weights random:0 --size 64 -o"
    subprocess.run(
        [sys.executable, "-m", "worker.cli", *words.split(), str(folder)],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def start_up(settings: Settings, random_artifact: Path) -> Iterator[StartUp]:
    """Start `nestor up` on one data folder; whatever is left of it is killed afterwards."""
    started: list[Up] = []

    def start() -> Up:
        folders = ["--artifacts", str(random_artifact), "--data-dir", str(settings.data_dir)]
        command = [sys.executable, "-m", "producer.cli", "up", "--devices", "cpu:0", *folders]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_up(process: Up, settings: Settings) -> list[psutil.Process]:
    """Wait until the stack has written itself down; return its processes."""
    wait_until(
        lambda: process.poll() is not None or read_stack_file(settings.stack_file),
        seconds=START_SECONDS,
    )
    assert process.poll() is None, process.communicate()[1]
    return psutil.Process(process.pid).children()


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def worker_of(children: list[psutil.Process]) -> psutil.Process:
    (worker,) = [child for child in children if "worker.cli" in child.cmdline()]
    return worker


def label_a_folder(folder: Path, settings: Settings) -> dict[str, object]:
    """Submit three pictures, wait for the end, and return the job's status."""
    folder.mkdir()
    for number in range(3):
        pixels = draw_picture(80 + number, 70, number)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    running = connect_to_running_stack(settings)
    submission = Submission(
        source=str(folder), artifact=ARTIFACT_NAME, source_options={}, allow_random=True
    )
    job = submit(submission, running)
    store = Store(running.require_store_url())
    try:
        wait_until(lambda: read_status(store, job.id)["state"] in ENDED, seconds=60)
        return read_status(store, job.id)
    finally:
        store.close()


def test_a_stack_labels_a_folder_survives_a_killed_worker_and_stops_in_order(
    start_up: StartUp, settings: Settings, tmp_path: Path
):
    process = start_up()
    children = wait_up(process, settings)
    socket_path = private_socket_path(settings.data_dir)
    first = label_a_folder(tmp_path / "first", settings)
    worker = worker_of(children)

    worker.kill()
    wait_until(lambda: has_ended(worker))
    second = label_a_folder(tmp_path / "second", settings)
    survivors = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=60) == 0
    assert (first["state"], first["counts"]["predicted"]) == ("completed", 3)
    assert (second["state"], second["counts"]["predicted"]) == ("completed", 3)
    assert all(has_ended(child) for child in [*children, *survivors])
    assert not settings.stack_file.exists()
    assert not socket_path.parent.exists()


def test_kill_minus_nine_of_a_stack_leaves_nothing_and_the_next_one_starts(
    start_up: StartUp, settings: Settings, tmp_path: Path
):
    first = start_up()
    children = wait_up(first, settings)
    assert len(children) == 4

    refused = start_up()
    _, errors = refused.communicate(timeout=60)
    first.kill()

    assert refused.returncode == 2
    assert f"in use by process {first.pid}" in errors
    wait_until(lambda: all(has_ended(child) for child in children), seconds=5)
    assert read_stack_file(settings.stack_file) is None
    wait_up(start_up(), settings)
    assert label_a_folder(tmp_path / "images", settings)["state"] == "completed"
