"""The tables. Times are float Unix seconds by the database's clock; digests are hex or raw bytes.

`key` columns are small integers for joins; `jobs.id` is the name that people see.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts up only for INTEGER PRIMARY KEY.
_Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


#: Counters that a chunk reports once and the fold loop adds to its job.
#: `scored` images have a label and a prediction; top-k counts are among those.
COUNTERS = ("predicted", "failed", "labelled", "scored", "top1_correct", "top5_correct")

#: The conditions of the partial indexes, spelt as literals: SQLite uses a partial index only where
#: the statement repeats its condition word for word, which a bound parameter does not.
PENDING = sa.text("chunks.state = 'pending'")
UNFOLDED = sa.text("chunks.state = 'done' AND NOT chunks.folded")

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("manifest", sa.JSON, nullable=False),
    sa.Column("registered_at", sa.Double, nullable=False),
)

#: One row for each start of a worker process: what a prediction names as its maker.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("key", _Key, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("chunk_slots", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("stopped_at", sa.Double),
    sqlite_autoincrement=True,
)

worker_artifacts = sa.Table(
    "worker_artifacts",
    metadata,
    sa.Column("worker_key", sa.ForeignKey("workers.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("artifact_digest", sa.String(64), primary_key=True),
    sa.Column("images_per_second", sa.Double, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("key", _Key, primary_key=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("artifact_digest", sa.ForeignKey("artifacts.digest"), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_options", sa.JSON, nullable=False),
    sa.Column("labels", sa.Text, nullable=False),
    sa.Column("topk", sa.Integer, nullable=False),
    sa.Column("chunk_size", sa.Integer, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("max_failure_rate", sa.Double, nullable=False),
    sa.Column("deadline_at", sa.Double),
    sa.Column("state", sa.String(24), nullable=False, index=True),
    sa.Column("state_times", sa.JSON, nullable=False),
    sa.Column("ending", sa.String(24)),
    sa.Column("stalled_reason", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("cursor", sa.Text),
    sa.Column("cursor_version", sa.Integer, nullable=False, server_default="0"),
    _count("next_index"),
    sa.Column("listing_done", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("unresolved_labels", sa.JSON),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("first_claimed_at", sa.Double),
    sa.Column("last_done_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    *(_count(name) for name in COUNTERS),
    sa.Column("failures", sa.JSON, nullable=False),
    sa.Column("stage_seconds", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("id", _Key, primary_key=True),
    sa.Column("job_key", sa.ForeignKey("jobs.key", ondelete="CASCADE"), nullable=False),
    sa.Column("first_index", sa.BigInteger, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("image_references", sa.LargeBinary),
    sa.Column("state", sa.String(16), nullable=False, server_default="pending"),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lease_until", sa.Double, nullable=False, server_default="0"),
    sa.Column("not_before", sa.Double, nullable=False, server_default="0"),
    sa.Column("published_at", sa.Double),
    sa.Column("publish_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("claimed_at", sa.Double),
    sa.Column("done_at", sa.Double),
    sa.Column("worker_key", sa.BigInteger),
    *(_count(name) for name in COUNTERS),
    sa.Column("failures", sa.JSON),
    sa.Column("stage_seconds", sa.JSON),
    sa.Column("folded", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.UniqueConstraint("job_key", "first_index", "generation"),
    # Only open and unfolded chunks are ever looked for; both sets are bounded by the windows.
    sa.Index(
        "ix_chunks_pending",
        "job_key",
        "id",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index(
        "ix_chunks_unfolded",
        "job_key",
        "id",
        sqlite_where=sa.text("state = 'done' AND NOT folded"),
        postgresql_where=sa.text("state = 'done' AND NOT folded"),
    ),
    sqlite_autoincrement=True,
)

#: One row an image. `reason` is null exactly for a good prediction. `topk` is packed
#: little-endian int32 class indices, then float32 probabilities. The columns stand by their width,
#: widest first, so that PostgreSQL pads nothing: there are many of these rows.
predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("image_index", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("job_key", sa.Integer, nullable=False, autoincrement=False),
    sa.Column("worker_key", sa.Integer, nullable=False),
    sa.Column("label", sa.Integer),
    sa.Column("top1_class", sa.Integer),
    sa.Column("top1_probability", sa.REAL),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("label_rank", sa.SmallInteger),
    sa.Column("input_sha256", sa.LargeBinary),
    sa.Column("topk", sa.LargeBinary),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text),
    sa.Column("reason", sa.String(32)),
    sa.Column("stage", sa.String(16)),
    sa.Column("message", sa.Text),
    sa.Column("extra", sa.JSON(none_as_null=True)),
    sa.PrimaryKeyConstraint("job_key", "image_index"),
    sqlite_with_rowid=False,
    postgresql_partition_by="LIST (job_key)",
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    sa.Column("job_key", sa.ForeignKey("jobs.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

leader_leases = sa.Table(
    "leader_leases",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)
