"""Artifacts that workers have registered, and the workers that serve them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from shared.artifact_manifest import ArtifactManifest
from shared.errors import ArtifactError
from shared.store.engine import now
from shared.store.tables import artifacts, worker_artifacts, workers

#: A worker that has not been seen for this long serves nothing.
WORKER_SILENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What all live workers together do for one artifact."""

    workers: int
    chunk_slots: int
    images_per_second: float


def register_worker(
    connection: sa.Connection,
    *,
    host: str,
    pid: int,
    device: str,
    chunk_slots: int,
    manifests: Sequence[tuple[ArtifactManifest, float]],
) -> int:
    """Write a worker's start and the artifacts it serves with their measured rates; its key."""
    inserted = connection.execute(
        workers.insert()
        .values(
            host=host,
            pid=pid,
            device=device,
            chunk_slots=chunk_slots,
            started_at=now(),
            seen_at=now(),
        )
        .returning(workers.c.key)
    )
    key: int = inserted.scalar_one()
    for manifest, rate in manifests:
        register_artifact(connection, manifest)
        connection.execute(
            worker_artifacts.insert().values(
                worker_key=key, artifact_digest=manifest.digest, images_per_second=rate
            )
        )
    return key


def register_artifact(connection: sa.Connection, manifest: ArtifactManifest) -> None:
    """Make an artifact known; harmless when it is."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    connection.execute(
        insert(artifacts)
        .values(
            digest=manifest.digest,
            name=manifest.name,
            manifest=manifest.model_dump(mode="json"),
            registered_at=now(),
        )
        .on_conflict_do_update(index_elements=["digest"], set_={"registered_at": now()})
    )


def see_worker(connection: sa.Connection, key: int, *, stopped: bool = False) -> None:
    """Note that a worker is alive, or that it left."""
    values = {"seen_at": now()} | ({"stopped_at": now()} if stopped else {})
    connection.execute(workers.update().where(workers.c.key == key).values(values))


def tell_rates(connection: sa.Connection, key: int, rates: Mapping[str, float]) -> None:
    """Write how fast a worker turned out to be, in images/s by artifact digest."""
    for digest, rate in rates.items():
        connection.execute(
            worker_artifacts.update()
            .where(
                worker_artifacts.c.worker_key == key,
                worker_artifacts.c.artifact_digest == digest,
            )
            .values(images_per_second=rate)
        )


def capacity(connection: sa.Connection, artifact_digest: str) -> Capacity:
    """Add up the live workers that serve an artifact."""
    statement = (
        sa.select(
            sa.func.count(workers.c.key),
            sa.func.coalesce(sa.func.sum(workers.c.chunk_slots), 0),
            sa.func.coalesce(sa.func.sum(worker_artifacts.c.images_per_second), 0.0),
        )
        .join(worker_artifacts, worker_artifacts.c.worker_key == workers.c.key)
        .where(
            worker_artifacts.c.artifact_digest == artifact_digest,
            workers.c.stopped_at.is_(None),
            workers.c.seen_at > now() - WORKER_SILENT_SECONDS,
        )
    )
    count, slots, rate = connection.execute(statement).one()
    return Capacity(workers=count, chunk_slots=slots, images_per_second=rate)


def find_manifest(connection: sa.Connection, name_or_digest: str) -> ArtifactManifest:
    """Look an artifact up by name (the newest of that name) or by a beginning of its digest.

    Raises:
        ArtifactError: naming what is registered, if nothing fits.
    """
    by_name = (
        artifacts.select()
        .where(artifacts.c.name == name_or_digest)
        .order_by(artifacts.c.registered_at.desc())
        .limit(1)
    )
    by_digest = artifacts.select().where(
        artifacts.c.digest.startswith(name_or_digest, autoescape=True)
    )
    row = connection.execute(by_name).first()
    if row is None and len(name_or_digest) >= 8:
        found = connection.execute(by_digest.limit(2)).all()
        row = found[0] if len(found) == 1 else None
    if row is None:
        known = ", ".join(sorted(entry["name"] for entry in list_artifacts(connection))) or "none"
        raise ArtifactError(
            f"no artifact '{name_or_digest}' is registered (known: {known}): start a worker"
            " that serves it"
        )
    return ArtifactManifest.model_validate(row.manifest)


def list_artifacts(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return name, digest and time of each registered artifact, newest first."""
    statement = sa.select(
        artifacts.c.name, artifacts.c.digest, artifacts.c.registered_at, artifacts.c.manifest
    ).order_by(artifacts.c.registered_at.desc())
    return [
        {
            "name": row.name,
            "digest": row.digest,
            "variant": row.manifest["variant"],
            "backend": row.manifest["backend"],
            "precision": row.manifest["precision_used"],
            "classes": len(row.manifest["classes"]),
            "registered_at": row.registered_at,
        }
        for row in connection.execute(statement)
    ]


def list_workers(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return the workers that were seen lately."""
    statement = (
        sa.select(workers, (now() - workers.c.seen_at).label("silent_seconds"))
        .where(workers.c.stopped_at.is_(None), workers.c.seen_at > now() - WORKER_SILENT_SECONDS)
        .order_by(workers.c.key)
    )
    return [dict(row._mapping) for row in connection.execute(statement)]
