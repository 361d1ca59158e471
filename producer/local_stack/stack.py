"""`nestor up`: which processes make a whole Nestor on one machine, and in what order."""

import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

import producer
from producer.local_stack.child_process import ProcessSpec
from producer.local_stack.data_dir_lock import locked_data_dir
from producer.local_stack.embedded_valkey import private_socket, redis_urls, valkey_spec
from producer.local_stack.process_supervisor import Supervisor
from producer.local_stack.stack_file import (
    RunningStack,
    process_start_ticks,
    remove_stack_file,
    write_stack_file,
)
from shared.errors import SettingsError, StackError, StoreUnavailable
from shared.settings import Settings
from shared.store.artifacts import list_workers
from shared.store.engine import Store, migrate

SERVER_STAGE, LOOPS_STAGE, WORKERS_STAGE = range(3)
GRACE_MARGIN_SECONDS = 10.0
"""A worker's own grace, and this long to commit and close its device, before it is killed."""

WORKER_READY_SECONDS = 600.0
"""Compiling a large network for a device takes minutes on a small machine."""


def run_stack(
    settings: Settings,
    *,
    devices: Sequence[str],
    artifacts: Sequence[Path],
    ready_callback: Callable[[Settings], None] | None = None,
    work: Callable[[Settings], None] | None = None,
) -> None:
    """Run everything on this machine until a signal ends it, or until `work` is done.

    Call it in the main thread. `ready_callback` is called once there, when every process has
    started; `work` then runs in a thread of its own while the stack is kept up, and its end
    ends the stack. Both get the settings with the stack's addresses in them.

    Raises:
        StackError: if the stack cannot be started or kept running; or what `work` raised.
    """
    with (
        locked_data_dir(settings.data_dir) as lock_descriptor,
        private_socket(settings.data_dir) as socket_path,
    ):
        addressed = _with_addresses(settings, broker_url=redis_urls(socket_path).broker)
        migrate(addressed.require_store_url())
        folder = settings.data_dir / "valkey"
        server = valkey_spec(
            data_dir=folder, socket_path=socket_path, lock_descriptor=lock_descriptor
        )
        specs = [server, *stack_specs(addressed, devices=devices, artifacts=artifacts)]
        supervisor = Supervisor(specs, log_dir=settings.data_dir / "logs")
        _supervise(supervisor, addressed, ready_callback=ready_callback, work=work)


def _supervise(
    supervisor: Supervisor,
    settings: Settings,
    *,
    ready_callback: Callable[[Settings], None] | None,
    work: Callable[[Settings], None] | None,
) -> None:
    background = _Background(work, settings)

    def when_ready() -> None:
        write_stack_file(settings.stack_file, _running_stack(settings))
        if ready_callback:
            ready_callback(settings)
        background.start()

    try:
        supervisor.run(when_ready=when_ready, until=background.is_done)
    finally:
        remove_stack_file(settings.stack_file)
    background.raise_if_failed()


def stack_specs(
    settings: Settings, *, devices: Sequence[str], artifacts: Sequence[Path]
) -> list[ProcessSpec]:
    """Describe Nestor's own processes; `settings` holds the addresses that they shall use.

    Raises:
        SettingsError: if a device is named twice.
    """
    if len(set(devices)) != len(devices):
        raise SettingsError(f"a device is named twice in --devices: {', '.join(devices)}")
    env = _child_environment(settings)
    loops = [
        ProcessSpec(name="producer", argv=_module("producer.app"), env=env, stage=LOOPS_STAGE),
        ProcessSpec(
            name="aggregator", argv=_module("worker.aggregator"), env=env, stage=LOOPS_STAGE
        ),
    ]
    folders = [part for folder in artifacts for part in ("--artifacts", str(folder.resolve()))]
    workers = [
        ProcessSpec(
            name=f"worker-{device.replace(':', '-')}",
            argv=_module("worker.cli", "run", "--device", device, *folders),
            env=env,
            stage=WORKERS_STAGE,
            ready=_registration_check(settings.require_store_url()),
            ready_timeout_seconds=WORKER_READY_SECONDS,
            stop_grace_seconds=settings.shutdown_grace_seconds + GRACE_MARGIN_SECONDS,
            essential=False,  # the others go on; the last one's end is the stack's
        )
        for device in devices
    ]
    return [*loops, *workers]


class _Background:
    """The caller's work in a thread, and how it ended."""

    def __init__(self, work: Callable[[Settings], None] | None, settings: Settings) -> None:
        self._work = work
        self._settings = settings
        self._error: BaseException | None = None
        self._done = threading.Event()

    def start(self) -> None:
        if self._work is not None:
            threading.Thread(target=self._run, name="stack-work", daemon=True).start()

    def is_done(self) -> bool:
        return self._done.is_set()

    def raise_if_failed(self) -> None:
        if self._error is not None:
            raise self._error
        if self._work is not None and not self._done.is_set():
            raise StackError("stopped by a signal before the work was done")

    def _run(self) -> None:
        try:
            if self._work is not None:
                self._work(self._settings)
        except BaseException as error:  # noqa: BLE001 - handed over and raised in the main thread
            self._error = error
        finally:
            self._done.set()


def _running_stack(settings: Settings) -> RunningStack:
    return RunningStack(
        pid=os.getpid(),
        process_start_ticks=process_start_ticks(os.getpid()) or 0,
        store_url=settings.require_store_url(),
        redis_url=settings.require_redis_url(),
    )


def _with_addresses(settings: Settings, *, broker_url: str) -> Settings:
    store_url = settings.store_url or SecretStr(
        f"sqlite:///{settings.data_dir.resolve() / 'nestor.sqlite3'}"
    )
    return settings.model_copy(update={"store_url": store_url, "redis_url": SecretStr(broker_url)})


def _registration_check(store_url: str) -> Callable[[int], bool]:
    """A worker is ready when it has passed its self-test and stands in the store."""

    def is_registered(pid: int) -> bool:
        store = Store(store_url)
        try:
            with store.read() as connection:
                return any(worker["pid"] == pid for worker in list_workers(connection))
        except StoreUnavailable:
            return False
        finally:
            store.close()

    return is_registered


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    """Run one of our modules; -P keeps a folder of the same name where the user stands out."""
    return (sys.executable, "-P", "-m", name, *arguments)


def _child_environment(settings: Settings) -> dict[str, str]:
    env = {
        "NESTOR_STORE_URL": settings.require_store_url(),
        "NESTOR_REDIS_URL": settings.require_redis_url(),
        "NESTOR_DATA_DIR": str(settings.data_dir.resolve()),
        "PYTHONUNBUFFERED": "1",
    }
    root = Path(producer.__file__).resolve().parents[1]
    if str(root) not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        env["PYTHONPATH"] = str(root)
    return env
