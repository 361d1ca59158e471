"""Initial schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


_COUNTERS = ("predicted", "failed", "labelled", "scored", "top1_correct", "top5_correct")


def upgrade() -> None:
    """Apply."""
    _create_artifacts()
    _create_leader_leases()
    _create_predictions()
    _create_workers()
    _create_jobs()
    _create_worker_artifacts()
    _create_chunks()
    _index_chunks()
    _create_evaluations()


def downgrade() -> None:
    """Take back."""
    op.drop_table("evaluations")
    op.drop_table("chunks")
    op.drop_table("worker_artifacts")
    op.drop_table("jobs")
    op.drop_table("workers")
    op.drop_table("predictions")
    op.drop_table("leader_leases")
    op.drop_table("artifacts")


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("registered_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_artifacts")),
    )
    with op.batch_alter_table("artifacts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_artifacts_name"), ["name"], unique=False)


def _create_leader_leases() -> None:
    op.create_table(
        "leader_leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leader_leases")),
    )


def _create_predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("image_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("job_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("worker_key", sa.Integer(), nullable=False),
        sa.Column("label", sa.Integer(), nullable=True),
        sa.Column("top1_class", sa.Integer(), nullable=True),
        sa.Column("top1_probability", sa.REAL(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("label_rank", sa.SmallInteger(), nullable=True),
        sa.Column("input_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("topk", sa.LargeBinary(), nullable=True),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("stage", sa.String(length=16), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("extra", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("job_key", "image_index", name=op.f("pk_predictions")),
        postgresql_partition_by="LIST (job_key)",
        sqlite_with_rowid=False,
    )


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("chunk_slots", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("stopped_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_workers")),
        sqlite_autoincrement=True,
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("artifact_digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_options", sa.JSON(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        *_columns(sa.Integer(), "topk", "chunk_size", "priority", nullable=False),
        sa.Column("max_failure_rate", sa.Double(), nullable=False),
        sa.Column("deadline_at", sa.Double(), nullable=True),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("state_times", sa.JSON(), nullable=False),
        sa.Column("ending", sa.String(length=24), nullable=True),
        *_columns(sa.Text(), "stalled_reason", "error", "cursor", nullable=True),
        sa.Column("cursor_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_index", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("listing_done", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("unresolved_labels", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        *_columns(sa.Double(), "first_claimed_at", "last_done_at", "finished_at", nullable=True),
        *_columns(sa.BigInteger(), *_COUNTERS, server_default="0", nullable=False),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.Column("stage_seconds", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact_digest"],
            ["artifacts.digest"],
            name=op.f("fk_jobs_artifact_digest_artifacts"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_jobs_state"), ["state"], unique=False)


def _create_worker_artifacts() -> None:
    op.create_table(
        "worker_artifacts",
        sa.Column(
            "worker_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("artifact_digest", sa.String(length=64), nullable=False),
        sa.Column("images_per_second", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worker_key"],
            ["workers.key"],
            name=op.f("fk_worker_artifacts_worker_key_workers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("worker_key", "artifact_digest", name=op.f("pk_worker_artifacts")),
    )


def _create_chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("image_references", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=16), server_default="pending", nullable=False),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.Double(), server_default="0", nullable=False),
        sa.Column("not_before", sa.Double(), server_default="0", nullable=False),
        sa.Column("published_at", sa.Double(), nullable=True),
        sa.Column("publish_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=True),
        sa.Column("done_at", sa.Double(), nullable=True),
        sa.Column("worker_key", sa.BigInteger(), nullable=True),
        *_columns(sa.BigInteger(), *_COUNTERS, server_default="0", nullable=False),
        sa.Column("failures", sa.JSON(), nullable=True),
        sa.Column("stage_seconds", sa.JSON(), nullable=True),
        sa.Column("folded", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_key"], ["jobs.key"], name=op.f("fk_chunks_job_key_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
        sa.UniqueConstraint("job_key", "first_index", "generation", name=op.f("uq_chunks_job_key")),
        sqlite_autoincrement=True,
    )


def _index_chunks() -> None:
    with op.batch_alter_table("chunks", schema=None) as batch_op:
        batch_op.create_index(
            "ix_chunks_pending",
            ["job_key", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        )
        batch_op.create_index(
            "ix_chunks_unfolded",
            ["job_key", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'done' AND NOT folded"),
            postgresql_where=sa.text("state = 'done' AND NOT folded"),
        )


def _create_evaluations() -> None:
    op.create_table(
        "evaluations",
        sa.Column("job_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_key"], ["jobs.key"], name=op.f("fk_evaluations_job_key_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_key", name=op.f("pk_evaluations")),
    )


def _columns(kind: sa.types.TypeEngine[Any], *names: str, **options: Any) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, **options) for name in names]
