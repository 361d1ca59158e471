"""A worker process from start to end, in the order that shutdown takes back.

Start: artifacts verified -> device opened -> self-test -> registered -> stages -> heartbeat ->
Celery consumes. SIGTERM: Celery stops consuming and waits for the slots; what is not done after
`shutdown_grace_seconds` is handed back; heartbeat, stages, device and store are closed; exit 0.
"""

import os
import socket
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from celery import Celery, signals
from celery.platforms import SecurityWarning

from shared.celery_app import make_celery_app
from shared.errors import ArtifactError, MachineError
from shared.logs import get_log
from shared.queues import classify_queue
from shared.settings import Settings
from shared.store import artifacts as artifact_store
from shared.store.engine import Store
from worker.artifact import Artifact, load_artifact
from worker.chunk_runner import ChunkRunner
from worker.devices import open_device
from worker.devices.base import Device
from worker.devices.self_test import run_self_test
from worker.fetching import open_fetcher
from worker.fetching.base import Fetcher
from worker.heartbeat import Heartbeat
from worker.pipeline.chunk_classifier import ChunkClassifier
from worker.pipeline.stage_clock import StageClock
from worker.preprocessing.recipes import open_recipe
from worker.rate_meter import RateMeter
from worker.tasks import register_tasks
from worker.worker_state import WorkerState

_log = get_log(__name__)

#: A device that fails this often, without a success between, takes its worker out.
MAX_DEVICE_ERRORS = 3
#: Exit code of a worker whose device is sick: its supervisor starts a fresh one, with back-off.
EXIT_DEVICE_SICK = 74


def leave_if_sick(error: MachineError, errors_in_a_row: int) -> None:
    """Note a device's error; the third without a success between ends the process."""
    _log.error("device_failed", errors=errors_in_a_row, error=str(error))
    if errors_in_a_row >= MAX_DEVICE_ERRORS:
        os._exit(EXIT_DEVICE_SICK)  # its threads may hang; the leases run out by themselves


def run_worker(settings: Settings, *, device_name: str, folders: Sequence[Path]) -> int:
    """Run a worker on one device until SIGTERM; return its exit code.

    Raises:
        UsageError: an artifact or a setting is unfit; the message says what to do.
        MachineError: the device or the store cannot be opened.
    """
    loaded = [load_artifact(folder) for folder in folders]
    if len({artifact.digest for artifact in loaded}) < len(loaded):
        raise ArtifactError("the same artifact was given twice: name each folder once")
    with ExitStack() as stack:
        store = Store(settings.require_store_url())
        stack.callback(store.close)
        fetcher = open_fetcher(settings)
        stack.callback(fetcher.close)
        clock = StageClock()
        classifiers = {
            artifact.digest: stack.enter_context(
                _classifier(artifact, device_name, fetcher, settings, clock)
            )
            for artifact in loaded
        }
        state = WorkerState(
            key=_register(store, device_name, loaded, settings),
            store=store,
            settings=settings,
            clock=clock,
            meter=RateMeter({entry.digest: entry.manifest.images_per_second for entry in loaded}),
        )
        stack.enter_context(_beating(state))
        runner = ChunkRunner(state, classifiers)
        return _consume(settings, device_name, runner, classifiers)


@contextmanager
def _classifier(
    artifact: Artifact,
    device_name: str,
    fetcher: Fetcher,
    settings: Settings,
    clock: StageClock,
) -> Iterator[ChunkClassifier]:
    recipe = open_recipe(
        artifact.manifest.recipe.name,
        artifact.manifest.input_size,
        max_image_pixels=settings.max_image_pixels,
    )
    device: Device = open_device(device_name, artifact, settings)
    try:
        comparison = run_self_test(device, artifact, recipe)
        _log.info(
            "self_test_passed",
            artifact=artifact.manifest.name,
            device=device_name,
            precision=device.precision_used,
            largest_drift=comparison.largest_drift,
        )
        classifier = ChunkClassifier(
            device=device,
            recipe=recipe,
            fetcher=fetcher,
            settings=settings,
            clock=clock,
            on_device_error=leave_if_sick,
        )
        classifier.start()
        yield classifier
        classifier.close()
    finally:
        device.close()


def _register(
    store: Store, device_name: str, loaded: Sequence[Artifact], settings: Settings
) -> int:
    with store.write() as connection:
        return artifact_store.register_worker(
            connection,
            host=socket.gethostname(),
            pid=os.getpid(),
            device=device_name,
            chunk_slots=settings.chunk_slots,
            manifests=[(entry.manifest, entry.manifest.images_per_second) for entry in loaded],
        )


@contextmanager
def _beating(state: WorkerState) -> Iterator[None]:
    heartbeat = Heartbeat(state)
    heartbeat.start()
    try:
        yield
    finally:
        heartbeat.stop()
        with state.store.write() as connection:
            artifact_store.see_worker(connection, state.key, stopped=True)


def _consume(
    settings: Settings,
    device_name: str,
    runner: ChunkRunner,
    classifiers: dict[str, ChunkClassifier],
) -> int:
    app = make_celery_app(settings.require_redis_url())
    register_tasks(app, runner)
    with _handing_back_in_time(settings, runner, classifiers):
        return _run_celery(app, settings, device_name, list(classifiers))


def _run_celery(app: Celery, settings: Settings, device_name: str, digests: Sequence[str]) -> int:
    # Celery warns root of pickled messages; ours are JSON and nothing else is accepted.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    worker = app.Worker(
        hostname=f"{device_name}-{os.getpid()}@{socket.gethostname()}",
        pool_cls="threads",
        concurrency=settings.chunk_slots,
        queues=[classify_queue(digest) for digest in digests],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        quiet=True,
    )
    _log.info("worker_ready", device=device_name, artifacts=[digest[:12] for digest in digests])
    worker.start()
    return int(worker.exitcode or 0)


@contextmanager
def _handing_back_in_time(
    settings: Settings, runner: ChunkRunner, classifiers: dict[str, ChunkClassifier]
) -> Iterator[None]:
    """After SIGTERM, give what is in flight `shutdown_grace_seconds`, then hand it back."""

    def give_up() -> None:
        runner.stop()
        for classifier in classifiers.values():
            classifier.abort()

    timer = threading.Timer(settings.shutdown_grace_seconds, give_up)
    timer.daemon = True

    def on_shutdown(**_: object) -> None:
        _log.info("worker_stopping", grace_seconds=settings.shutdown_grace_seconds)
        timer.start()

    signals.worker_shutting_down.connect(on_shutdown)
    try:
        yield
    finally:
        timer.cancel()
        signals.worker_shutting_down.disconnect(on_shutdown)
