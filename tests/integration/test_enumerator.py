"""Listing a source into chunk rows: resumable, bounded, and safe with two enumerators."""

import pytest
import sqlalchemy as sa

from producer.enumerator import Enumerator, _Overtaken
from shared.image_reference import unpack_references
from shared.settings import Settings
from shared.store import artifacts, chunks, jobs
from shared.store.engine import Store, migrate
from shared.store.job_states import JobState
from shared.store.tables import chunks as chunks_table
from tests.support.manifests import make_manifest
from tests.support.tiny_images import write_list, write_tiny_images

IMAGES = 9000
CHUNK = 500


@pytest.fixture
def store(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    migrate(url)
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def source(tmp_path):
    return write_list(
        tmp_path / "list.csv", write_tiny_images(tmp_path / "images"), references=IMAGES
    )


@pytest.fixture
def submit(store, source):
    manifest = make_manifest()
    with store.write() as connection:
        artifacts.register_worker(
            connection,
            host="h",
            pid=1,
            device="cpu:0",
            chunk_slots=4,
            manifests=[(manifest, 1000.0)],
        )

    def create(**options):
        new = jobs.NewJob(
            artifact_digest=manifest.digest,
            source=str(options.pop("source", source)),
            labels=options.pop("labels", "column:class"),
            source_options={"label_column": "class", "id_column": "id", **options},
            chunk_size=CHUNK,
        )
        with store.write() as connection:
            return jobs.create_job(connection, new)

    return create


def listed(store, job):
    """Every reference of the job's chunks, in order."""
    statement = (
        sa.select(chunks_table.c.image_references)
        .where(chunks_table.c.job_key == job.key)
        .order_by(chunks_table.c.first_index)
    )
    with store.read() as connection:
        packed = list(connection.execute(statement).scalars())
    return [reference for part in packed for reference in unpack_references(part)]


def now(store, job):
    with store.read() as connection:
        return jobs.get_job_by_key(connection, job.key)


def step_to_the_end(enumerator, store, job, *, limit=50):
    for _ in range(limit):
        enumerator.step()
        if now(store, job).state not in {JobState.QUEUED, JobState.ENUMERATING}:
            return now(store, job)
    raise AssertionError(f"still listing: {now(store, job)}")


def assert_complete(store, job):
    references = listed(store, job)
    assert [reference.index for reference in references] == list(range(IMAGES))
    assert [reference.id for reference in references] == [f"item-{i}" for i in range(IMAGES)]
    assert [reference.label for reference in references[:17]] == [
        *range(10), *range(6), 0,
    ]  # fmt: skip


def test_a_source_is_listed_once_in_order_with_labels(store, settings, submit):
    job = submit()

    ended = step_to_the_end(Enumerator(store, settings), store, job)

    assert (ended.state, ended.total, ended.listing_done) == (JobState.RUNNING, IMAGES, True)
    assert_complete(store, job)
    assert not (settings.data_dir / "spool" / job.id).exists()


def test_an_enumerator_that_died_is_followed_by_one_that_continues(store, settings, submit):
    job = submit()
    for _ in range(20):
        fresh = Enumerator(store, settings)  # knows nothing but what the store says
        fresh.step()

    assert now(store, job).state is JobState.RUNNING
    assert_complete(store, job)


def test_two_enumerators_at_once_list_nothing_twice(store, settings, submit, monkeypatch):
    monkeypatch.setattr("producer.enumerator.PAGES_A_TURN", 1)
    job = submit()
    pair = [Enumerator(store, settings), Enumerator(store, settings)]
    for turn in range(60):
        pair[turn % 2].step()
        pair[turn % 2].step()

    assert now(store, job).state is JobState.RUNNING
    assert_complete(store, job)


def test_two_enumerators_that_read_the_same_page_commit_it_once(store, settings, submit):
    job = submit()
    first, second = Enumerator(store, settings), Enumerator(store, settings)
    with store.write() as connection:
        opened = jobs.move_job(connection, job.key, JobState.ENUMERATING)
    listings = [enumerator._open(opened) for enumerator in (first, second)]
    pages = [next(listing.pages) for listing in listings]

    first._commit(opened, listings[0], pages[0])
    with pytest.raises(_Overtaken):
        second._commit(opened, listings[1], pages[1])

    assert len(listed(store, job)) == len(pages[0].items)


def test_listing_stops_at_the_window_and_goes_on_when_chunks_are_done(
    store, settings, submit, monkeypatch
):
    monkeypatch.setattr("producer.enumerator.enumeration_window", lambda *_: 6)
    enumerator = Enumerator(store, settings)
    job = submit()
    for _ in range(5):
        enumerator.step()

    with store.read() as connection:
        assert 6 <= chunks.count_pending(connection, job.key) <= 6 + 4  # one page over, no more
    with store.write() as connection:
        connection.execute(chunks_table.update().values(state="done", folded=True))
    enumerator.step()
    with store.read() as connection:
        assert 6 <= chunks.count_pending(connection, job.key) <= 6 + 4


def test_a_limit_ends_the_listing(store, settings, submit):
    job = submit(limit=2345)

    assert step_to_the_end(Enumerator(store, settings), store, job).total == 2345


def test_a_source_that_changes_in_between_fails_the_job_and_says_so(
    store, settings, submit, source, monkeypatch
):
    monkeypatch.setattr("producer.enumerator.PAGES_A_TURN", 1)
    job = submit()
    Enumerator(store, settings).step()
    source.write_text(source.read_text() + "more,/x.png,1\n")
    Enumerator(store, settings).step()

    failed = now(store, job)
    assert (failed.state, failed.ending) == (JobState.FINALIZING, "failed")
    assert "changed" in failed.error
    with store.read() as connection:
        assert chunks.count_pending(connection, job.key) == 0


def test_an_empty_source_fails_the_job(store, settings, submit, tmp_path):
    (tmp_path / "empty.csv").write_text("path,class,id\n")
    job = submit(source=tmp_path / "empty.csv")
    Enumerator(store, settings).step()

    assert "names no images" in now(store, job).error


def test_labels_that_name_no_class_are_counted_with_examples(store, settings, submit, tmp_path):
    (tmp_path / "odd.csv").write_text("path,class,id\n/a.png,3,1\n/b.png,bird,2\n/c.png,bird,3\n")
    job = submit(source=tmp_path / "odd.csv")

    ended = step_to_the_end(Enumerator(store, settings), store, job)

    assert [reference.label for reference in listed(store, job)] == [3, None, None]
    assert "bird" in str(ended.unresolved_labels)


def test_a_cancelled_job_is_listed_no_further(store, settings, submit, monkeypatch):
    monkeypatch.setattr("producer.enumerator.PAGES_A_TURN", 1)
    enumerator = Enumerator(store, settings)
    job = submit()
    enumerator.step()
    with store.write() as connection:
        jobs.end_early(connection, job.key, ending=JobState.CANCELLED)
    enumerator.step()

    with store.read() as connection:
        assert chunks.count_pending(connection, job.key) == 0
