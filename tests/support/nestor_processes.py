"""A whole Nestor of real processes for tests: each of them can be killed and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from producer.commands.submit import Submission, submit
from producer.commands.watch import read_status
from producer.local_stack import exec_shim
from shared.settings import Settings
from shared.store.engine import Store, migrate
from shared.store.job_states import ENDED
from shared.store.jobs import Job, get_job
from shared.store.predictions import Prediction, read_predictions
from shared.store.tables import chunks
from tests.support.valkey import ValkeyServer

STOP_SECONDS = 30.0


class NestorProcesses:
    """Producer, aggregator and workers over a given store and Valkey; they die with the test."""

    def __init__(
        self,
        *,
        store_url: str,
        valkey: ValkeyServer,
        folder: Path,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "NESTOR_STORE_URL": store_url,
            "NESTOR_REDIS_URL": valkey.broker_url,
            "NESTOR_DATA_DIR": str(folder / "data"),
            "PYTHONUNBUFFERED": "1",
            **(variables or {}),
        }
        self.settings = Settings(
            store_url=SecretStr(store_url),
            redis_url=SecretStr(valkey.broker_url),
            data_dir=folder / "data",
            s3_endpoint_url=(variables or {}).get("NESTOR_S3_ENDPOINT_URL"),
            s3_access_key=(variables or {}).get("NESTOR_S3_ACCESS_KEY"),
            s3_secret_key=(variables or {}).get("NESTOR_S3_SECRET_KEY"),
        )
        migrate(store_url)
        self.store = Store(store_url)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._argv: dict[str, tuple[str, ...]] = {}

    def __enter__(self) -> "NestorProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._processes):
            self.kill(name)
        self.store.close()

    def start_producer(self, name: str = "producer") -> None:
        self._start(name, ("-m", "producer.app"))

    def start_aggregator(self, name: str = "aggregator") -> None:
        self._start(name, ("-m", "worker.aggregator"))

    def start_worker(self, artifact: Path, *, device: str = "cpu:0", name: str = "worker") -> None:
        arguments = ("run", "--device", device, "--artifacts", str(artifact))
        self._start(name, ("-m", "worker.cli", *arguments))

    def start_all(self, artifact: Path, *, device: str = "cpu:0") -> None:
        self.start_producer()
        self.start_aggregator()
        self.start_worker(artifact, device=device)
        self.wait_for_log("worker", "worker_ready")

    def kill(self, name: str) -> None:
        """SIGKILL."""
        process = self._processes.pop(name)
        process.kill()
        process.wait(timeout=STOP_SECONDS)

    def start_again(self, name: str) -> None:
        self._start(name, self._argv[name])

    def stop(self, name: str, *, number: int = signal.SIGTERM) -> int:
        """Ask a process to end and return its exit code."""
        process = self._processes.pop(name)
        process.send_signal(number)
        return process.wait(timeout=STOP_SECONDS)

    def is_running(self, name: str) -> bool:
        return self._processes[name].poll() is None

    def exit_code(self, name: str) -> int | None:
        return self._processes[name].poll()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def wait_for_log(self, name: str, text: str, *, seconds: float = 60.0) -> None:
        give_up_at = time.monotonic() + seconds
        while text not in self.log(name):
            assert self.is_running(name), f"{name} ended:\n{self.log(name)}"
            assert time.monotonic() < give_up_at, f"{name} never said {text}:\n{self.log(name)}"
            time.sleep(0.02)

    def submit(self, source: str | Path, artifact: str, **options: Any) -> Job:
        """Submit as the command line does; `artifact` must be registered by then."""
        submission = Submission(
            source=str(source), artifact=artifact, **{"source_options": {}, **options}
        )
        return submit(submission, self.settings)

    def job(self, job: Job) -> Job:
        with self.store.read() as connection:
            return get_job(connection, job.id)

    def status(self, job: Job) -> dict[str, Any]:
        return read_status(self.store, job.id)

    def wait_for(self, job: Job, *, done: int, seconds: float = 60.0) -> None:
        """Wait until so many images of the job have rows that the fold has counted."""
        give_up_at = time.monotonic() + seconds
        while True:
            now = self.job(job)
            if now.predicted + now.failed >= done:
                return
            assert time.monotonic() < give_up_at, f"only {now.predicted} of {done}: {now}"
            time.sleep(0.02)

    def wait_for_end(self, job: Job, *, seconds: float = 120.0) -> dict[str, Any]:
        give_up_at = time.monotonic() + seconds
        while True:
            status = self.status(job)
            if status["state"] in ENDED:
                return status
            if time.monotonic() > give_up_at:
                logs = "\n".join(f"--- {name}\n{self.log(name)[-3000:]}" for name in self._argv)
                raise AssertionError(f"the job did not end: {status}\n{logs}")
            time.sleep(0.05)

    def predictions(self, job: Job) -> list[Prediction]:
        return list(read_predictions(self.store, job.key))

    def open_chunks(self, job: Job) -> int:
        statement = sa.select(sa.func.count()).where(
            chunks.c.job_key == job.key, chunks.c.state == "pending"
        )
        with self.store.read() as connection:
            return connection.execute(statement).scalar_one()

    def _start(self, name: str, arguments: tuple[str, ...]) -> None:
        assert name not in self._processes, f"{name} runs already"
        self._argv[name] = arguments
        argv = [sys.executable, "-P", *arguments]
        shim = [sys.executable, "-I", "-S", exec_shim.__file__, str(os.getpid())]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*shim, *argv], stdout=log, stderr=log, env=self._environment
            )
