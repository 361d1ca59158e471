"""A whole Nestor to be measured: real producer, worker and aggregator, SQLite and Valkey.

Between its turns all its processes are stopped (SIGSTOP), so that the rival has the machine alone.
"""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.turn import Turn, cpu_seconds
from tests.support.nestor_processes import NestorProcesses
from tests.support.valkey import ValkeyServer
from worker.artifact import Artifact

_PROCESSES = ("producer", "aggregator", "worker")
_JOB_SECONDS = 3600.0


class WholeSystem:
    """One stack with one worker; each turn is a job over a list of its own."""

    def __init__(
        self,
        processes: NestorProcesses,
        artifact: Artifact,
        files: list[Path],
        *,
        device: str,
        server_pid: int,
        settle_seconds: float,
    ) -> None:
        self._processes = processes
        self._artifact = artifact
        self._files = files
        self._settle_seconds = settle_seconds
        self._lists: dict[int, Path] = {}
        self.stage_seconds: Mapping[str, Any] = {}
        processes.start_all(artifact.folder, device=device)
        self._pids = [server_pid, *(processes.pid(name) for name in _PROCESSES)]
        self._signal(signal.SIGSTOP)

    def take_turn(self, images: int) -> Turn:
        """Submit a job and wait for its end.

        `seconds` is from the job's first claim to its last commit, both by the database's clock.
        """
        source = self._list(images)
        self._signal(signal.SIGCONT)
        time.sleep(self._settle_seconds)
        cpu_before = cpu_seconds(self._pids)
        start = time.perf_counter()
        job = self._processes.submit(
            source, self._artifact.digest, labels="none", allow_random=True
        )
        status = self._processes.wait_for_end(job, seconds=_JOB_SECONDS)
        wall_seconds = time.perf_counter() - start
        used = cpu_seconds(self._pids) - cpu_before
        self._signal(signal.SIGSTOP)
        if status["counts"]["predicted"] != images:
            raise RuntimeError(f"not every image was predicted: {status}")
        ended = self._processes.job(job)
        assert ended.first_claimed_at is not None
        assert ended.last_done_at is not None
        self.stage_seconds = ended.stage_seconds
        return Turn(
            images=images,
            seconds=ended.last_done_at - ended.first_claimed_at,
            wall_seconds=wall_seconds,
            cpu_seconds=used,
            best_classes=tuple(row.class_indices[0] for row in self._processes.predictions(job)),
        )

    def _list(self, images: int) -> Path:
        if images not in self._lists:
            path = self._processes.settings.data_dir / f"list-{images}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            names = (self._files[index % len(self._files)] for index in range(images))
            path.write_text("".join(f"{name}\n" for name in names))
            self._lists[images] = path
        return self._lists[images]

    def _signal(self, number: int) -> None:
        for name in _PROCESSES:
            os.kill(self._processes.pid(name), number)


@contextmanager
def running_system(
    folder: Path, artifact: Artifact, files: list[Path], *, device: str, settle_seconds: float
) -> Iterator[WholeSystem]:
    """Start a whole system in a fresh folder; kill it at the end of the block.

    `settle_seconds` pass after each stop, for heartbeats to be seen and leader leases to be held.
    """
    folder.mkdir(parents=True)
    valkey = ValkeyServer()
    valkey.start()
    try:
        with NestorProcesses(
            store_url=f"sqlite:///{folder / 'store.sqlite3'}", valkey=valkey, folder=folder
        ) as processes:
            yield WholeSystem(
                processes,
                artifact,
                files,
                device=device,
                server_pid=valkey.pid,
                settle_seconds=settle_seconds,
            )
    finally:
        valkey.close()
