"""What the ledger promises, on each store that Nestor supports."""

import threading
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from shared.errors import ArtifactError, JobError, StoreUnavailable
from shared.image_reference import ImageReference, unpack_references
from shared.store import artifacts, chunks, evaluations, folding, jobs, leases
from shared.store.engine import Store, now
from shared.store.job_states import JobState
from shared.store.predictions import FinishedChunk, Outcome, finish_chunk, read_predictions
from shared.store.tables import chunks as chunks_table
from shared.store.tables import jobs as jobs_table
from shared.store.tables import metadata, predictions
from tests.support.manifests import make_manifest

LEASE_SECONDS = 30.0
STAGES = {"decode": {"busy": 1.0, "starved": 0.5, "blocked": 0.0}}


def references(first: int, count: int, *, label: int | None = 3) -> list[ImageReference]:
    return [
        ImageReference(index=index, uri=f"/images/{index}.png", label=label)
        for index in range(first, first + count)
    ]


@pytest.fixture
def job(store):
    manifest = make_manifest()
    with store.write() as connection:
        artifacts.register_artifact(connection, manifest)
        created = jobs.create_job(
            connection, jobs.NewJob(artifact_digest=manifest.digest, source="/images")
        )
        jobs.move_job(connection, created.key, JobState.ENUMERATING)
        for first in (0, 4, 8):
            chunks.insert_chunk(connection, job_key=created.key, references=references(first, 4))
        return jobs.move_job(
            connection, created.key, JobState.RUNNING, listing_done=True, next_index=12
        )


@pytest.fixture
def chunk_ids(store, job):
    with store.read() as connection:
        return list(
            connection.execute(sa.select(chunks_table.c.id).order_by(chunks_table.c.id)).scalars()
        )


def claim(store, job, chunk_id, *, worker_key=1, lease_seconds=LEASE_SECONDS):
    with store.write() as connection:
        return chunks.claim(
            connection,
            chunk_id=chunk_id,
            artifact_digest=job.artifact_digest,
            worker_key=worker_key,
            lease_seconds=lease_seconds,
        )


def finished(job, chunk_id, epoch, *, first=0, count=4, top1=3, reason=None):
    outcomes = [
        Outcome(reference=reference, reason=reason, stage="decode", message="broken")
        if reason
        else Outcome(
            reference=reference,
            class_indices=[top1, *(number for number in range(10) if number != top1)],
            probabilities=[0.55, *[0.05] * 9],
            input_sha256=bytes(32),
        )
        for reference in references(first, count)
    ]
    return FinishedChunk(
        chunk_id=chunk_id,
        job_key=job.key,
        epoch=epoch,
        worker_key=1,
        topk=5,
        outcomes=outcomes,
        stage_seconds=STAGES,
    )


def finish(store, chunk):
    with store.write() as connection:
        return finish_chunk(connection, chunk)


def fold_all(store):
    with store.write() as connection:
        return folding.fold_finished_chunks(connection)


def read_job(store, job):
    with store.read() as connection:
        return jobs.get_job_by_key(connection, job.key)


def test_the_migrated_schema_is_the_one_that_the_code_declares(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_migrating_twice_changes_nothing(store_url):
    from shared.store.engine import migrate

    migrate(store_url)

    opened = Store(store_url)
    with opened.read() as connection:
        assert jobs.list_jobs(connection) == []
    opened.close()


def test_a_chunk_is_claimed_by_one_of_many_workers(store, job, chunk_ids):
    barrier = threading.Barrier(8)
    epochs = []

    def race(worker_key):
        barrier.wait()
        epochs.append(claim(store, job, chunk_ids[0], worker_key=worker_key))

    threads = [threading.Thread(target=race, args=(key,)) for key in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(epochs, key=str) == [1, *[None] * 7]


def test_a_claim_is_refused_for_another_artifact(store, job, chunk_ids):
    with store.write() as connection:
        epoch = chunks.claim(
            connection,
            chunk_id=chunk_ids[0],
            artifact_digest="f" * 64,
            worker_key=1,
            lease_seconds=LEASE_SECONDS,
        )

    assert epoch is None


@pytest.mark.parametrize(
    "steer", [jobs.pause_job, lambda c, k: jobs.end_early(c, k, ending=JobState.CANCELLED)]
)
def test_a_claim_is_refused_while_the_job_is_not_active(store, job, chunk_ids, steer):
    with store.write() as connection:
        steer(connection, job.key)

    assert claim(store, job, chunk_ids[0]) is None


def test_a_lease_that_ran_out_lets_the_next_worker_in_and_fences_the_first_off(
    store, job, chunk_ids
):
    first = claim(store, job, chunk_ids[0], lease_seconds=0.05)
    time.sleep(0.1)
    second = claim(store, job, chunk_ids[0], worker_key=2)

    late = finish(store, finished(job, chunk_ids[0], first))
    in_time = finish(store, finished(job, chunk_ids[0], second))

    assert (first, second) == (1, 2)
    assert (late, in_time) == (False, True)
    assert len(list(read_predictions(store, job.key))) == 4


def test_an_expired_lease_may_still_finish_while_its_epoch_stands(store, job, chunk_ids):
    epoch = claim(store, job, chunk_ids[0], lease_seconds=0.01)
    time.sleep(0.05)

    assert finish(store, finished(job, chunk_ids[0], epoch))


def test_renewing_keeps_others_out_and_tells_what_is_lost(store, job, chunk_ids):
    mine = claim(store, job, chunk_ids[0], lease_seconds=0.05)
    lost = claim(store, job, chunk_ids[1], lease_seconds=0.05)
    time.sleep(0.1)
    claim(store, job, chunk_ids[1], worker_key=2)

    with store.write() as connection:
        gone = chunks.renew(
            connection,
            {chunk_ids[0]: mine, chunk_ids[1]: lost},
            worker_key=1,
            lease_seconds=LEASE_SECONDS,
        )

    assert gone == {chunk_ids[1]}
    assert claim(store, job, chunk_ids[0], worker_key=2) is None


def test_a_released_chunk_is_taken_up_by_the_next_epoch_after_its_delay(store, job, chunk_ids):
    epoch = claim(store, job, chunk_ids[0])
    with store.write() as connection:
        released = chunks.release(connection, chunk_id=chunk_ids[0], epoch=epoch, delay_seconds=0.2)
    at_once = claim(store, job, chunk_ids[0])
    time.sleep(0.25)

    assert released
    assert at_once is None
    assert claim(store, job, chunk_ids[0]) == 3
    assert not finish(store, finished(job, chunk_ids[0], epoch))


def test_a_chunk_is_finished_once(store, job, chunk_ids):
    epoch = claim(store, job, chunk_ids[0])

    assert finish(store, finished(job, chunk_ids[0], epoch))
    assert not finish(store, finished(job, chunk_ids[0], epoch))
    assert claim(store, job, chunk_ids[0]) is None


def test_a_second_row_for_an_image_is_a_loud_error_and_writes_nothing(store, job, chunk_ids):
    finish(store, finished(job, chunk_ids[0], claim(store, job, chunk_ids[0])))
    epoch = claim(store, job, chunk_ids[1])

    with pytest.raises(IntegrityError) as raised:
        finish(store, finished(job, chunk_ids[1], epoch, first=0))
    assert "/images/0.png" not in str(raised.value), "an error must not show URIs"

    with store.read() as connection:
        assert chunks.count_pending(connection, job.key) == 2


def test_predictions_come_back_as_they_were_written_in_index_order(store, job, chunk_ids):
    finish(
        store,
        finished(job, chunk_ids[1], claim(store, job, chunk_ids[1]), first=4, reason="truncated"),
    )
    finish(store, finished(job, chunk_ids[0], claim(store, job, chunk_ids[0])))

    rows = list(read_predictions(store, job.key))

    assert [row.index for row in rows] == list(range(8))
    assert rows[0].class_indices == (3, 0, 1, 2, 4)
    assert rows[0].probabilities == pytest.approx((0.55, 0.05, 0.05, 0.05, 0.05))
    assert (rows[0].label, rows[0].label_rank, rows[0].reason) == (3, 1, None)
    assert (rows[4].reason, rows[4].stage, rows[4].message) == ("truncated", "decode", "broken")
    assert rows[4].class_indices == ()
    assert [row.index for row in read_predictions(store, job.key, after_index=5)] == [6, 7]


def test_the_fold_adds_each_chunk_once_and_equals_a_recount(store, job, chunk_ids):
    finish(store, finished(job, chunk_ids[0], claim(store, job, chunk_ids[0]), top1=3))
    finish(store, finished(job, chunk_ids[1], claim(store, job, chunk_ids[1]), first=4, top1=5))
    finish(
        store, finished(job, chunk_ids[2], claim(store, job, chunk_ids[2]), first=8, reason="empty")
    )

    folded = [fold_all(store), fold_all(store)]
    after = read_job(store, job)
    with store.read() as connection:
        recounted = evaluations.recount(connection, job.key, total=12)

    assert folded == [3, 0]
    assert (after.predicted, after.failed, after.labelled, after.scored) == (8, 4, 12, 8)
    assert (after.top1_correct, after.top5_correct) == (4, 8)
    assert after.failures == {"empty": 4}
    assert after.stage_seconds == {"decode": {"busy": 3.0, "starved": 1.5, "blocked": 0.0}}
    assert (recounted.predicted, recounted.failed) == (8, 4)
    assert (recounted.top1_correct, recounted.top5_correct) == (4, 8)


def test_a_job_is_settled_only_when_nothing_is_open_and_nothing_unfolded(store, job, chunk_ids):
    def settled():
        with store.read() as connection:
            return folding.is_settled(connection, job.key)

    seen = [settled()]
    for number, chunk_id in enumerate(chunk_ids):
        finish(store, finished(job, chunk_id, claim(store, job, chunk_id), first=4 * number))
    seen.append(settled())
    fold_all(store)
    seen.append(settled())

    assert seen == [False, False, True]


def test_folds_at_the_same_time_add_nothing_twice(store, job, chunk_ids):
    for number, chunk_id in enumerate(chunk_ids):
        finish(store, finished(job, chunk_id, claim(store, job, chunk_id), first=4 * number))
    threads = [threading.Thread(target=fold_all, args=(store,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert read_job(store, job).predicted == 12


def test_the_filler_sees_what_is_unpublished_and_the_reconciler_what_was_lost(
    store, job, chunk_ids
):
    def lost(**options):
        arguments = {"patience_seconds": 60.0, "everything": False, **options}
        with store.read() as connection:
            return [chunk.id for chunk in chunks.to_republish(connection, job.key, **arguments)]

    with store.write() as connection:
        waiting = chunks.to_publish(connection, job.key, 2)
        chunks.mark_published(connection, [chunk.id for chunk in waiting])
    assert [chunk.id for chunk in waiting] == chunk_ids[:2]
    assert [r.index for r in unpack_references(waiting[1].image_references)] == [4, 5, 6, 7]

    assert lost() == []
    assert lost(everything=True) == chunk_ids[:2]
    assert lost(patience_seconds=0.0) == chunk_ids[:2]
    claim(store, job, chunk_ids[0])
    assert lost(everything=True) == chunk_ids[1:2]
    claim(store, job, chunk_ids[1], lease_seconds=0.01)
    time.sleep(0.05)
    assert lost() == chunk_ids[1:2]
    with store.write() as connection:
        chunks.mark_published(connection, chunk_ids[1:2])
    assert lost() == []


def test_a_chunk_that_is_published_again_and_again_waits_longer_each_time(store, job, chunk_ids):
    with store.write() as connection:
        for _ in range(20):
            chunks.mark_published(connection, chunk_ids[:1])
    time.sleep(0.1)

    with store.read() as connection:
        lost = chunks.to_republish(connection, job.key, patience_seconds=0.05, everything=False)

    assert lost == []


def test_states_move_only_along_the_table(store, job):
    with store.write() as connection, pytest.raises(JobError, match="cannot become"):
        jobs.move_job(connection, job.key, JobState.QUEUED)

    with store.write() as connection:
        jobs.pause_job(connection, job.key)
        jobs.resume_job(connection, job.key)
    assert read_job(store, job).state is JobState.RUNNING
    assert {"queued", "enumerating", "running", "paused"} == set(read_job(store, job).state_times)


def test_ending_early_drops_what_is_open_and_fences_it_off(store, job, chunk_ids):
    epoch = claim(store, job, chunk_ids[0])
    with store.write() as connection:
        jobs.end_early(connection, job.key, ending=JobState.CANCELLED)

    assert not finish(store, finished(job, chunk_ids[0], epoch))
    assert read_job(store, job).state is JobState.CANCELLING
    with store.read() as connection:
        assert folding.is_settled(connection, job.key)


def test_deleting_a_job_leaves_no_row_of_it(store, job, chunk_ids):
    finish(store, finished(job, chunk_ids[0], claim(store, job, chunk_ids[0])))
    with store.write() as connection, pytest.raises(JobError, match="cancel it first"):
        jobs.delete_job(connection, job.key)
    with store.write() as connection:
        jobs.end_early(connection, job.key, ending=JobState.CANCELLED)
        jobs.move_job(connection, job.key, JobState.CANCELLED)
        jobs.delete_job(connection, job.key)

    with store.read() as connection:
        rows = connection.execute(sa.select(sa.func.count()).select_from(predictions)).scalar_one()
        open_chunks = connection.execute(
            sa.select(sa.func.count()).select_from(chunks_table)
        ).scalar_one()
    assert (rows, open_chunks) == (0, 0)


def test_chunk_and_job_numbers_are_never_used_again(store, job, chunk_ids):
    with store.write() as connection:
        jobs.end_early(connection, job.key, ending=JobState.CANCELLED)
        jobs.move_job(connection, job.key, JobState.CANCELLED)
        jobs.delete_job(connection, job.key)
        second = jobs.create_job(
            connection, jobs.NewJob(artifact_digest=job.artifact_digest, source="/images")
        )
        chunks.insert_chunk(connection, job_key=second.key, references=references(0, 4))
        new_chunk = connection.execute(sa.select(sa.func.max(chunks_table.c.id))).scalar_one()

    assert second.key > job.key
    assert new_chunk > max(chunk_ids)


def test_a_job_is_found_by_the_beginning_of_its_id(store, job):
    with store.read() as connection:
        assert jobs.get_job(connection, job.id[:6]).key == job.key
        with pytest.raises(JobError, match="there is no job"):
            jobs.get_job(connection, "zzz")


def test_one_owner_at_a_time_holds_a_lease(store):
    def hold(owner, seconds=LEASE_SECONDS):
        with store.write() as connection:
            return leases.hold(connection, name="fill", owner=owner, seconds=seconds)

    assert hold("a", 0.05)
    assert not hold("b")
    assert hold("a", 0.05)
    time.sleep(0.1)
    assert hold("b")
    assert not hold("a")
    with store.write() as connection:
        leases.give_up(connection, name="fill", owner="b")
    assert hold("a")


def test_capacity_counts_the_workers_that_live(store, job):
    manifest = make_manifest()
    with store.write() as connection:
        keys = [
            artifacts.register_worker(
                connection,
                host="h",
                pid=number,
                device="cpu:0",
                chunk_slots=4,
                manifests=[(manifest, 100.0)],
            )
            for number in range(3)
        ]
        artifacts.see_worker(connection, keys[0], stopped=True)
        capacity = artifacts.capacity(connection, manifest.digest)
        none = artifacts.capacity(connection, "f" * 64)

    assert (capacity.workers, capacity.chunk_slots, capacity.images_per_second) == (2, 8, 200.0)
    assert (none.workers, none.chunk_slots, none.images_per_second) == (0, 0, 0.0)


def test_an_artifact_is_found_by_name_or_digest(store, job):
    manifest = make_manifest()
    with store.read() as connection:
        by_name = artifacts.find_manifest(connection, "tiny")
        by_digest = artifacts.find_manifest(connection, manifest.digest[:12])
        with pytest.raises(ArtifactError, match="known: tiny"):
            artifacts.find_manifest(connection, "huge")

    assert by_name == by_digest == manifest


def test_the_evaluation_queries_equal_a_count_by_hand(store, job, chunk_ids):
    tops = (3, 5, 3)
    for number, (chunk_id, top1) in enumerate(zip(chunk_ids, tops, strict=True)):
        epoch = claim(store, job, chunk_id)
        finish(store, finished(job, chunk_id, epoch, first=4 * number, top1=top1))

    with store.read() as connection:
        confusion = evaluations.count_confusion(connection, job.key)
        calibration = evaluations.count_calibration(connection, job.key)
        mistakes = evaluations.most_confident_mistakes(connection, job.key, limit=3)

    assert confusion == {(3, 3): 8, (3, 5): 4}
    filled = {index: entry for index, entry in enumerate(calibration) if entry.count}
    assert list(filled) == [8]
    assert (filled[8].count, filled[8].correct) == (12, 8)
    assert filled[8].sum_confidence == pytest.approx(12 * 0.55, rel=1e-6)
    assert [row.image_index for row in mistakes] == [4, 5, 6]


def test_calibration_bins_floor_and_never_round(store, job, chunk_ids):
    epoch = claim(store, job, chunk_ids[0])
    confidences = (0.04, 0.064, 0.999, 1.0)  # times 15: 0.6, 0.96, 14.99, 15
    outcomes = [
        Outcome(reference=reference, class_indices=[3], probabilities=[confidence])
        for reference, confidence in zip(references(0, 4), confidences, strict=True)
    ]
    chunk = FinishedChunk(
        chunk_id=chunk_ids[0],
        job_key=job.key,
        epoch=epoch,
        worker_key=1,
        topk=1,
        outcomes=outcomes,
        stage_seconds={},
    )
    finish(store, chunk)

    with store.read() as connection:
        calibration = evaluations.count_calibration(connection, job.key)

    assert [entry.count for entry in calibration] == [2, *[0] * 13, 2]


def test_answers_come_ordered_by_id_or_uri_by_code_points(store, job, chunk_ids):
    names = ("b", "B", "a", "_")
    outcomes = [
        Outcome(
            reference=ImageReference(index=index, uri="/x", id=name, label=1),
            class_indices=[1],
            probabilities=[0.5],
            input_sha256=bytes(32),
        )
        for index, name in enumerate(names)
    ]
    chunk = FinishedChunk(
        chunk_id=chunk_ids[0],
        job_key=job.key,
        epoch=claim(store, job, chunk_ids[0]),
        worker_key=1,
        topk=1,
        outcomes=outcomes,
        stage_seconds={},
    )
    finish(store, chunk)

    keys = [answer.key for answer in evaluations.answers_by_key(store, job.key)]

    assert keys == sorted(names)


def test_the_stores_clock_is_unix_time(store):
    with store.read() as connection:
        seen = connection.execute(sa.select(now())).scalar_one()

    assert seen == pytest.approx(time.time(), abs=2)


def test_a_writer_waits_for_another_instead_of_failing(store, job, chunk_ids):
    started, release = threading.Event(), threading.Event()

    def hold_the_lock():
        with store.write() as connection:
            connection.execute(
                chunks_table.update().where(chunks_table.c.id == chunk_ids[0]).values(not_before=0)
            )
            started.set()
            release.wait(5)

    thread = threading.Thread(target=hold_the_lock)
    thread.start()
    started.wait(5)
    threading.Timer(0.3, release.set).start()
    start = time.monotonic()
    epoch = claim(store, job, chunk_ids[0])
    thread.join()

    assert epoch == 1
    assert time.monotonic() - start > 0.2


def test_writers_that_read_first_take_turns_instead_of_failing(store, job):
    """A deferred SQLite transaction would fail at once when it turns from reading to writing."""
    barrier = threading.Barrier(3)
    errors = []

    def add_one():
        barrier.wait()
        try:
            with store.write() as connection:
                seen = jobs.lock_job(connection, job.key).next_index
                time.sleep(0.05)
                connection.execute(
                    jobs_table.update()
                    .where(jobs_table.c.key == job.key)
                    .values(next_index=seen + 1)
                )
        except StoreUnavailable as error:
            errors.append(error)

    threads = [threading.Thread(target=add_one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert read_job(store, job).next_index == 15


def test_an_unreachable_store_is_a_machine_error(tmp_path):
    for url in (
        f"sqlite:///{tmp_path / 'no' / 'such' / 'x.sqlite3'}",
        "postgresql://127.0.0.1:1/x",
    ):
        opened = Store(url)
        with pytest.raises(StoreUnavailable, match="the store failed"), opened.read():
            pass
        opened.close()
