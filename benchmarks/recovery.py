"""The rows of recovery: a worker killed with SIGKILL, and a Redis that comes back empty.

Simulated devices of a ResNeSt-50's speed, real processes, a real Valkey, SQLite; chunks of the
size that Nestor chooses by itself.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from benchmarks.artifacts import null_artifact
from benchmarks.plan import Plan
from benchmarks.row import Row
from shared.store.engine import now
from shared.store.tables import PENDING, chunks, workers
from tests.support.nestor_processes import NestorProcesses
from tests.support.tiny_images import write_list, write_tiny_images
from tests.support.valkey import ValkeyServer

#: About what two cores do with ResNeSt-50 in int8.
_KILL_IMAGES_PER_SECOND = 100.0
_REDIS_IMAGES_PER_SECOND = 1000.0
_REFERENCES = 200_000
_LEAST_KILLS = 10
_LEAST_RESTARTS = 5
_LIMIT_SECONDS = 120.0
_LOOK_SECONDS = 0.02
_WORKERS = ("first", "second")
#: A quick run does not wait for what users wait for.
_QUICK_SETTINGS = {"NESTOR_LEASE_SECONDS": "1", "NESTOR_CHUNK_SLOTS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Seconds from a kill until the first and until all of the worker's chunks had a new claim."""

    chunks: int
    first_seconds: float
    all_seconds: float


class Scene:
    """A running job on simulated workers, and what the store says of it."""

    def __init__(self, processes: NestorProcesses, valkey: ValkeyServer) -> None:
        self.processes = processes
        self.valkey = valkey

    def held_by(self, worker_key: int) -> dict[int, int]:
        """Return chunk id -> epoch of what a worker has in hand."""
        return self._epochs(chunks.c.worker_key == worker_key, chunks.c.lease_until > now())

    def held(self) -> dict[int, int]:
        """Return chunk id -> epoch of what any worker has in hand."""
        return self._epochs(chunks.c.lease_until > now())

    def worker_key(self, name: str) -> int | None:
        """Return the key of the worker that runs under a name, once it is registered."""
        statement = sa.select(workers.c.key).where(workers.c.pid == self.processes.pid(name))
        with self.processes.store.read() as connection:
            return connection.execute(statement.order_by(workers.c.key.desc())).scalars().first()

    def claims_since(self, held: dict[int, int]) -> list[float] | None:
        """Return when each of the chunks was claimed anew; None while one has not been."""
        statement = sa.select(chunks.c.id, chunks.c.epoch, chunks.c.claimed_at, chunks.c.state)
        with self.processes.store.read() as connection:
            rows = connection.execute(statement.where(chunks.c.id.in_(held))).all()
        unfinished = [row for row in rows if row.state == "pending" or row.epoch > held[row.id]]
        if any(row.epoch == held[row.id] for row in unfinished):
            return None
        return [row.claimed_at for row in unfinished]

    def first_done_of_claims_after(self, moment: float) -> float | None:
        """Return when the first chunk ended that was claimed after a moment."""
        statement = sa.select(sa.func.min(chunks.c.done_at)).where(chunks.c.claimed_at > moment)
        with self.processes.store.read() as connection:
            done_at: float | None = connection.execute(statement).scalar_one()
            return done_at

    def _epochs(self, *conditions: sa.ColumnElement[bool]) -> dict[int, int]:
        statement = sa.select(chunks.c.id, chunks.c.epoch).where(PENDING, *conditions)
        with self.processes.store.read() as connection:
            return {row.id: row.epoch for row in connection.execute(statement)}


def kill_rows(plan: Plan) -> list[Row]:
    """Kill a busy worker again and again while another one lives."""
    kills = plan.scaled(_LEAST_KILLS, quick=1)
    with _scene(plan, "kill", rate=_KILL_IMAGES_PER_SECOND, names=_WORKERS) as scene:
        recoveries = []
        for number in range(kills):
            recoveries.append(_kill(scene, _WORKERS[number % 2]))
            print(f"  kill {number + 1}: {recoveries[-1]}", flush=True)
    return _kill_rows(plan, [recovery for recovery in recoveries if recovery.chunks])


def redis_rows(plan: Plan) -> list[Row]:
    """Kill Redis, let the worker run dry, bring it back with nothing in it."""
    seconds = []
    with _scene(plan, "redis", rate=_REDIS_IMAGES_PER_SECOND, names=("worker",)) as scene:
        for number in range(plan.scaled(_LEAST_RESTARTS, quick=1)):
            seconds.append(_restart_redis(scene))
            print(f"  Redis restart {number + 1}: {seconds[-1]:.2f} s", flush=True)
    return [
        Row(
            key="redis",
            figure="Redis back, emptied, to first chunk claimed anew and done",
            unit="s",
            value=median(seconds),
            judged=max(seconds),
            floor=10.0,
            goal=3.0,
            remark=f"median of {len(seconds)}, max {max(seconds):.1f} s (judged)",
            invalid_reasons=plan.invalid_reasons,
            details={"seconds": seconds},
        )
    ]


def _kill(scene: Scene, name: str) -> Recovery:
    _wait(lambda: (key := scene.worker_key(name)) is not None and scene.held_by(key))
    time.sleep(1.0)  # both are in the middle of their chunks
    key = scene.worker_key(name)
    assert key is not None
    held = scene.held_by(key)
    killed_at = time.time()
    scene.processes.kill(name)
    claims = _wait_for_claims(scene, held)
    scene.processes.start_again(name)
    after = [claim - killed_at for claim in claims]
    return Recovery(
        chunks=len(after), first_seconds=min(after, default=0.0), all_seconds=max(after, default=0)
    )


def _wait_for_claims(scene: Scene, held: dict[int, int]) -> list[float]:
    give_up_at = time.monotonic() + _LIMIT_SECONDS
    while (claims := scene.claims_since(held)) is None:
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"chunks {sorted(held)} were not claimed in {_LIMIT_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)
    return claims


def _restart_redis(scene: Scene) -> float:
    _wait(scene.held)
    scene.valkey.kill()
    _wait(lambda: not scene.held())
    time.sleep(1.0)
    down_at = time.time()
    scene.valkey.start()
    back_at = time.time()
    _wait(lambda: scene.first_done_of_claims_after(down_at))
    done_at = scene.first_done_of_claims_after(down_at)
    assert done_at is not None
    return done_at - back_at


def _kill_rows(plan: Plan, recoveries: list[Recovery]) -> list[Row]:
    seconds = [recovery.all_seconds for recovery in recoveries]
    first = [recovery.first_seconds for recovery in recoveries]
    reasons = list(plan.invalid_reasons)
    if len(seconds) < _LEAST_KILLS - 1:
        reasons.append(f"only {len(seconds)} kills hit a busy worker")
    details = {"all_seconds": seconds, "first_seconds": first}
    figure = "kill -9 of a worker to all its chunks claimed again"
    first_said = f"first chunk: median {median(first):.1f} s, max {max(first):.1f} s"
    return [
        Row(
            key="kill-median",
            figure=f"{figure}, median",
            unit="s",
            value=median(seconds),
            floor=10.0,
            goal=3.0,
            remark=f"{len(seconds)} kills; {first_said}",
            invalid_reasons=reasons,
            details=details,
        ),
        Row(
            key="kill-max",
            figure=f"{figure}, max",
            unit="s",
            value=max(seconds),
            floor=30.0,
            invalid_reasons=reasons,
        ),
    ]


def _wait(condition: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + _LIMIT_SECONDS
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"did not happen within {_LIMIT_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _scene(plan: Plan, folder_name: str, *, rate: float, names: tuple[str, ...]) -> Iterator[Scene]:
    folder = plan.scratch / folder_name
    folder.mkdir()
    artifact = null_artifact(folder / "artifact", input_size=8, images_per_second=rate)
    source = write_list(
        folder / "list.csv", write_tiny_images(folder / "images"), references=_REFERENCES
    )
    valkey = ValkeyServer()
    valkey.start()
    try:
        with _processes(folder, valkey, quick=plan.quick) as processes:
            processes.start_producer()
            processes.start_aggregator()
            for name in names:
                device = f"simulated:0?images_per_second={rate}"
                processes.start_worker(artifact.folder, device=device, name=name)
                processes.wait_for_log(name, "worker_ready")
            processes.submit(source, artifact.digest, labels="none", allow_random=True)
            yield Scene(processes, valkey)
    finally:
        valkey.close()


def _processes(folder: Path, valkey: ValkeyServer, *, quick: bool) -> NestorProcesses:
    url = f"sqlite:///{folder / 'store.sqlite3'}"
    variables = _QUICK_SETTINGS if quick else {}
    return NestorProcesses(store_url=url, valkey=valkey, folder=folder, variables=variables)
