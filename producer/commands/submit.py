"""`nestor submit`: check what is asked, write the job, and perhaps wait for its end."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from producer.commands.stores import connected_settings, open_store
from producer.enumerator import spool_dir
from producer.sources import SourceOptions, open_source
from producer.sources.addresses import absolute_spec
from producer.windows import chunk_size
from shared.artifact_manifest import ArtifactManifest
from shared.errors import JobError, SettingsError
from shared.labels import parse_labels_spec
from shared.settings import Settings
from shared.store import artifacts
from shared.store.engine import Store
from shared.store.jobs import Job, NewJob, create_job


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the caller wrote; see `nestor submit --help`."""

    source: str
    artifact: str
    labels: str = "folders"
    source_options: Mapping[str, Any]
    topk: int = 5
    chunk_size: str = "auto"
    priority: str = "normal"
    deadline_seconds: float | None = None
    allow_random: bool = False
    max_failure_rate: float = 0.5

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "Submission":
        """Make a submission from the options of the command line."""
        of_source = {
            name: options[name]
            for name in ("id_column", "uri_column", "list_format", "limit")
            if options[name] is not None
        }
        labels = options["labels"]
        if labels.startswith("column:"):
            of_source["label_column"] = labels.removeprefix("column:")
        return cls(
            source_options=of_source,
            deadline_seconds=options["deadline"],
            **{
                name: options[name]
                for name in (
                    *("source", "artifact", "labels", "topk", "chunk_size", "priority"),
                    *("allow_random", "max_failure_rate"),
                )
            },
        )


def submit(submission: Submission, settings: Settings | None = None) -> Job:
    """Write a job into the store; the producer takes it up within its next look.

    Raises:
        UsageError: if the artifact, the source or an option is unfit.
    """
    settings = settings or connected_settings()
    with open_store(settings) as store:
        manifest = find_fit_artifact(store, submission)
        new = NewJob(
            artifact_digest=manifest.digest,
            source=absolute_spec(submission.source),
            source_options=dict(submission.source_options),
            labels=_absolute_labels(submission.labels),
            topk=submission.topk,
            chunk_size=_chunk_size(store, submission, manifest, settings),
            priority=submission.priority,
            max_failure_rate=submission.max_failure_rate,
            deadline_seconds=submission.deadline_seconds,
        )
        _check_source(new, settings)
        with store.write() as connection:
            return create_job(connection, new)


def find_fit_artifact(store: Store, submission: Submission) -> ArtifactManifest:
    """Return the manifest of the artifact that was asked for.

    Raises:
        UsageError: if there is none, or its weights or its top-k are unfit for this submission.
    """
    with store.read() as connection:
        manifest = artifacts.find_manifest(connection, submission.artifact)
    if manifest.has_random_weights and not submission.allow_random:
        raise JobError(
            f"artifact '{manifest.name}' has random weights: its labels mean nothing"
            " (--allow-random takes it all the same)"
        )
    if not 1 <= submission.topk <= manifest.topk:
        raise JobError(f"--topk must be between 1 and {manifest.topk} for this artifact")
    return manifest


def _absolute_labels(labels: str) -> str:
    """Return the labels' text with an absolute path: the producer runs in another folder."""
    spec = parse_labels_spec(labels)
    return labels if spec.file is None else f"file:{spec.file.resolve()}"


def _chunk_size(
    store: Store, submission: Submission, manifest: ArtifactManifest, settings: Settings
) -> int:
    if submission.chunk_size != "auto":
        if not submission.chunk_size.isdecimal() or int(submission.chunk_size) < 1:
            raise SettingsError("--chunk-size must be 'auto' or a positive number of images")
        return int(submission.chunk_size)
    with store.read() as connection:
        capacity = artifacts.capacity(connection, manifest.digest)
    rate = manifest.images_per_second
    if capacity.workers:
        rate = capacity.images_per_second / capacity.workers
    return chunk_size(rate, settings)


def _check_source(new: NewJob, settings: Settings) -> None:
    """Open the source once, so that a wrong one is told now; standard input is read here."""
    open_source(
        new.source,
        settings=settings,
        options=SourceOptions(**new.source_options),
        spool_dir=spool_dir(settings, new.id),
        standard_input=sys.stdin.buffer if new.source == "-" else None,
    )
