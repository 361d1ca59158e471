"""The reconciler: republishes chunks whose worker or whose message is gone, and ends late jobs.

Covers dead workers (leases), lost messages (time), and a Redis that lost its data (generation).
"""

import time
from collections import Counter
from collections.abc import Callable
from uuid import uuid4

import redis
import redis.exceptions

from producer.publisher import Publisher
from producer.windows import patience_seconds
from shared.logs import get_log
from shared.settings import Settings
from shared.store import artifacts, chunks, jobs
from shared.store.artifacts import Capacity
from shared.store.engine import Store, now
from shared.store.job_states import ACTIVE, JobState
from shared.store.tables import jobs as jobs_table

_log = get_log(__name__)

GENERATION_KEY = "nestor:generation"


class RedisGeneration:
    """Notices that Redis lost its data: its run id or our generation key is not what it was."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._known: tuple[str, str] | None = None

    def was_lost(self) -> bool:
        """Say whether messages may be gone since the last call; True at the first call too.

        An unreachable Redis is not lost yet: the question stays open.
        """
        try:
            run_id = str(self._client.info("server")["run_id"])
            generation = self._client.get(GENERATION_KEY)
            if generation is None:
                generation = uuid4().hex
                self._client.set(GENERATION_KEY, generation)
        except redis.exceptions.RedisError as error:
            _log.warning("redis_unavailable", error=str(error))
            return False
        seen = (run_id, str(generation))
        lost, self._known = seen != self._known, seen
        return lost


class Reconciler:
    """One step of the loop looks after every open chunk that is in Redis or with a worker."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        generation: RedisGeneration,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._generation = generation
        self._settings = settings
        self._clock = clock
        self._unserved_since: dict[int, float] = {}
        self._reached_store_at: float | None = None

    def step(self) -> bool:
        """Republish, flag stalled jobs, end expired ones."""
        if self._store_was_away():
            # Workers could not renew either: give every lease one more length of time.
            time.sleep(self._settings.lease_seconds)
        everything = self._generation.was_lost()
        with self._store.read() as connection:
            active = jobs.list_jobs(connection, states=sorted(ACTIVE))
            capacities = {
                digest: artifacts.capacity(connection, digest)
                for digest in {job.artifact_digest for job in active}
            }
            queued_images: Counter[str] = Counter()
            for job in active:
                in_queue = chunks.count_published(connection, job.key)
                queued_images[job.artifact_digest] += in_queue * job.chunk_size
        for job in active:
            digest = job.artifact_digest
            patience = patience_seconds(queued_images[digest], capacities[digest])
            self._republish(job, patience, everything=everything)
        self._flag_stalled(active, capacities)
        self._expire()
        self._reached_store_at = self._clock()
        return False

    def _store_was_away(self) -> bool:
        last = self._reached_store_at
        with self._store.read():  # raises while it is away, and the clock of the last step stays
            return last is not None and self._clock() - last > max(
                self._settings.lease_seconds / 3, 4 * self._settings.poll_seconds
            )

    def _republish(self, job: jobs.Job, patience: float, *, everything: bool) -> None:
        with self._store.read() as connection:
            lost = chunks.to_republish(
                connection, job.key, patience_seconds=patience, everything=everything
            )
        sent = self._publisher.publish(lost)
        if sent:
            _log.info("chunks_republished", job=job.id, chunks=len(sent), everything=everything)
            with self._store.write() as connection:
                chunks.mark_published(connection, sent)

    def _flag_stalled(self, active: list[jobs.Job], capacities: dict[str, Capacity]) -> None:
        """Say of each job that no live worker serves it, after `stalled_after_seconds`."""
        clock = self._clock()
        unserved = {job.key for job in active if not capacities[job.artifact_digest].workers}
        self._unserved_since = {key: self._unserved_since.get(key, clock) for key in unserved}
        for job in active:
            since = self._unserved_since.get(job.key, clock)
            reason = None
            if clock - since >= self._settings.stalled_after_seconds:
                reason = f"no live worker serves artifact {job.artifact_digest[:12]}"
            if reason != job.stalled_reason:
                with self._store.write() as connection:
                    connection.execute(
                        jobs_table.update()
                        .where(jobs_table.c.key == job.key)
                        .values(stalled_reason=reason)
                    )

    def _expire(self) -> None:
        late = jobs_table.select().where(
            jobs_table.c.deadline_at < now(),
            jobs_table.c.state.in_([*ACTIVE, JobState.PAUSED]),
        )
        with self._store.read() as connection:
            keys = [row.key for row in connection.execute(late)]
        for key in keys:
            with self._store.write() as connection:
                jobs.end_early(
                    connection, key, ending=JobState.EXPIRED, error="the deadline passed"
                )
