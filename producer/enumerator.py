"""The enumerator: lists a job's source page by page into chunk rows, cursor and chunks together.

Data flow: source -> page -> references -> chunks -> SQL (pending). The filler publishes them.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from producer.chunker import split, to_references
from producer.sources import open_source
from producer.sources.base import Page
from producer.sources.options import SourceOptions
from producer.windows import enumeration_window
from shared.errors import NestorError, SourceError, SourceUnavailable, UsageError
from shared.labels import ClassTable, LabelResolver, parse_labels_spec
from shared.logs import get_log
from shared.settings import Settings
from shared.store import artifacts, jobs
from shared.store.chunks import count_pending, insert_chunk
from shared.store.engine import Store
from shared.store.job_states import LISTING, JobState
from shared.store.jobs import Job
from shared.store.tables import jobs as jobs_table

_log = get_log(__name__)

#: Pages of one job in one turn, so that the other jobs get theirs.
PAGES_A_TURN = 10


def spool_dir(settings: Settings, job_id: str) -> Path:
    """Return the folder where a job's source is spooled if it cannot seek; made if absent."""
    folder = settings.data_dir / "spool" / job_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Listing:
    """One job's listing under way in this process: the open source and the label resolver."""

    def __init__(self, job: Job, *, resolver: LabelResolver, pages: Iterator[Page]) -> None:
        self.resolver = resolver
        self.pages = pages
        #: The version of the cursor that the open source continues from.
        self.cursor_version = job.cursor_version


class Enumerator:
    """One step of the loop gives each listing job a turn, while its window has room."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._listings: dict[int, Listing] = {}

    def step(self) -> bool:
        """List some pages of every job that is being listed; True if there is more to do now."""
        with self._store.read() as connection:
            listing_jobs = jobs.list_jobs(connection, states=sorted(LISTING))
        self._forget_all_but({job.key for job in listing_jobs})
        turns = [self._turn(job) for job in reversed(listing_jobs)]
        return any(turns)

    def _forget_all_but(self, keys: set[int]) -> None:
        for key in self._listings.keys() - keys:
            self._listings.pop(key).resolver.close()

    def _turn(self, job: Job) -> bool:
        try:
            return self._list_pages(job)
        except _Overtaken:
            self._listings.pop(job.key, None)
            return False
        except SourceUnavailable as error:
            self._listings.pop(job.key, None)
            _log.warning("source_unavailable", job=job.id, error=str(error))
            return False
        except UsageError as error:
            _log.warning("listing_failed", job=job.id, error=str(error))
            with self._store.write() as connection:
                jobs.end_early(connection, job.key, ending=JobState.FAILED, error=str(error))
            return False

    def _list_pages(self, job: Job) -> bool:
        if job.state is JobState.QUEUED:
            with self._store.write() as connection:
                job = jobs.move_job(connection, job.key, JobState.ENUMERATING)
        listing = self._listings.get(job.key)
        if listing is None or listing.cursor_version != job.cursor_version:
            listing = self._listings[job.key] = self._open(job)
        for _ in range(PAGES_A_TURN):
            if not self._has_room(job):
                return False
            page = next(listing.pages, None)
            if page is None:
                self._end_listing(job, listing)
                return False
            job = self._commit(job, listing, page)
        return True

    def _open(self, job: Job) -> Listing:
        with self._store.read() as connection:
            manifest = artifacts.find_manifest(connection, job.artifact_digest)
        spec = parse_labels_spec(job.labels)
        source = open_source(
            job.source,
            settings=self._settings,
            options=SourceOptions(**job.source_options),
            spool_dir=spool_dir(self._settings, job.id),
        )
        return Listing(
            job,
            resolver=LabelResolver(spec, ClassTable(manifest.classes)),
            pages=source.pages(job.cursor),
        )

    def _has_room(self, job: Job) -> bool:
        with self._store.read() as connection:
            capacity = artifacts.capacity(connection, job.artifact_digest)
            pending = count_pending(connection, job.key)
        return pending < enumeration_window(job.chunk_size, capacity, self._settings)

    def _commit(self, job: Job, listing: Listing, page: Page) -> Job:
        """Write a page's chunks and move the cursor, if nobody else moved it: one transaction."""
        references = to_references(
            page.items, first_index=job.next_index, resolver=listing.resolver
        )
        with self._store.write() as connection:
            moved = connection.execute(
                jobs_table.update()
                .where(
                    jobs_table.c.key == job.key,
                    jobs_table.c.cursor_version == listing.cursor_version,
                    jobs_table.c.state.in_(LISTING),
                )
                .values(
                    cursor=page.cursor,
                    cursor_version=listing.cursor_version + 1,
                    next_index=job.next_index + len(references),
                )
            )
            if moved.rowcount != 1:
                raise _Overtaken
            for part in split(references, job.chunk_size):
                insert_chunk(connection, job_key=job.key, references=part)
            listing.cursor_version += 1
            return jobs.get_job_by_key(connection, job.key)

    def _end_listing(self, job: Job, listing: Listing) -> None:
        if job.next_index == 0:
            raise SourceError(f"{job.source} holds no image")
        with self._store.write() as connection:
            jobs.move_job(
                connection,
                job.key,
                JobState.RUNNING,
                listing_done=True,
                unresolved_labels=listing.resolver.unresolved_summary() or sa.null(),
            )
        listing.resolver.close()
        del self._listings[job.key]
        shutil.rmtree(spool_dir(self._settings, job.id))
        _log.info("listing_done", job=job.id, images=job.next_index)


class _Overtaken(NestorError):
    """Another enumerator, or a cancellation, moved the job: start afresh from the store."""
