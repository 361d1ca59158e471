"""What is read often stays cheap however many chunks and predictions there are.

Not timed: the statements themselves are looked at. Speed at 400,000 chunks and a million
predictions is measured by the benchmarks.
"""

import pytest
import sqlalchemy as sa

from producer.job_status import job_status
from shared.store import artifacts, chunks, folding, jobs
from shared.store.engine import Store, migrate
from shared.store.predictions import PAGE_ROWS, read_predictions
from tests.support.manifests import make_manifest


@pytest.fixture
def statements(store):
    """Every statement that the store executes, as text."""
    seen = []

    def remember(_connection, _cursor, statement, parameters, *_):
        # SQLAlchemy writes OFFSET 0 on SQLite where none is asked for.
        none_asked = statement.endswith("OFFSET ?") and parameters[-1] == 0
        seen.append(statement.removesuffix("OFFSET ?") if none_asked else statement)

    sa.event.listen(store.engine, "before_cursor_execute", remember)
    return seen


@pytest.fixture
def job(store):
    manifest = make_manifest()
    with store.write() as connection:
        artifacts.register_artifact(connection, manifest)
        return jobs.create_job(
            connection, jobs.NewJob(artifact_digest=manifest.digest, source="/images")
        )


def test_a_jobs_progress_is_read_from_its_row_alone(store, job, statements):
    with store.read() as connection:
        job_status(connection, jobs.get_job(connection, job.id))

    selects = [statement for statement in statements if statement.startswith("SELECT")]
    assert selects
    assert not [text for text in selects if "chunks" in text or "predictions" in text]


def test_predictions_are_paged_by_key_without_offset(store, job, statements):
    list(read_predictions(store, job.key, after_index=5))

    (select,) = [text for text in statements if "FROM predictions" in text]
    assert "OFFSET" not in select
    assert "predictions.image_index >" in select
    assert PAGE_ROWS <= 5000


@pytest.fixture
def sqlite_store(tmp_path):
    url = f"sqlite:///{tmp_path / 'plan.sqlite3'}"
    migrate(url)
    opened = Store(url)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("call", "index"),
    [
        (lambda c: chunks.count_pending(c, 1), "ix_chunks_pending"),
        (lambda c: chunks.count_published(c, 1), "ix_chunks_pending"),
        (lambda c: chunks.to_publish(c, 1, 5), "ix_chunks_pending"),
        (
            lambda c: chunks.to_republish(c, 1, patience_seconds=1.0, everything=False),
            "ix_chunks_pending",
        ),
        (folding.fold_finished_chunks, "ix_chunks_unfolded"),
        (lambda c: folding.is_settled(c, 1), "ix_chunks_unfolded"),
    ],
)
def test_open_and_unfolded_chunks_are_found_by_their_partial_index(sqlite_store, call, index):
    plans = []

    def explain(connection, cursor, statement, parameters, *_):
        if "FROM chunks" in statement and not statement.startswith("EXPLAIN"):
            rows = cursor.connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)
            plans.append(" | ".join(row[3] for row in rows))

    sa.event.listen(sqlite_store.engine, "before_cursor_execute", explain)
    with sqlite_store.write() as connection:
        call(connection)

    assert plans
    assert all("SCAN chunks" not in plan or index in plan for plan in plans), plans
    assert any(index in plan for plan in plans), plans
