"""The filler: keeps each job's publish window full. SQL first, Redis second."""

from producer.publisher import Publisher
from producer.windows import publish_window
from shared.settings import Settings
from shared.store import artifacts, chunks
from shared.store.engine import Store
from shared.store.job_states import ACTIVE
from shared.store.jobs import Job, list_jobs


class Filler:
    """One step of the loop publishes what the windows of all active jobs have room for."""

    def __init__(self, store: Store, publisher: Publisher, settings: Settings) -> None:
        self._store = store
        self._publisher = publisher
        self._settings = settings

    def step(self) -> bool:
        """Fill every active job's window, most urgent jobs first; True if anything was sent."""
        with self._store.read() as connection:
            active = list_jobs(connection, states=sorted(ACTIVE))
        active.sort(key=lambda job: (job.priority, job.key))
        filled = [self._fill(job) for job in active]
        return any(filled)

    def _fill(self, job: Job) -> bool:
        with self._store.read() as connection:
            capacity = artifacts.capacity(connection, job.artifact_digest)
            window = publish_window(job.chunk_size, capacity, self._settings)
            room = window - chunks.count_published(connection, job.key)
            waiting = chunks.to_publish(connection, job.key, room) if room > 0 else []
        sent = self._publisher.publish(waiting)
        if sent:
            with self._store.write() as connection:
                chunks.mark_published(connection, sent)
        return bool(sent)
