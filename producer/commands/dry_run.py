"""`nestor submit --dry-run`: read the source and report; nothing is queued."""

import sys
import tempfile
from pathlib import Path

from rich.console import Console

from producer.commands.stores import connected_settings, open_store
from producer.commands.submit import Submission, find_fit_artifact
from producer.dry_run import DryRunReport, dry_run
from producer.sources import SourceOptions, open_source
from shared.labels import ClassTable, LabelResolver, parse_labels_spec
from shared.settings import Settings
from shared.store.artifacts import capacity


def run_dry_run(submission: Submission, settings: Settings | None = None) -> DryRunReport:
    """Read the whole source as a job would, and report on it."""
    settings = settings or connected_settings()
    with open_store(settings) as store:
        manifest = find_fit_artifact(store, submission)
        with store.read() as connection:
            live = capacity(connection, manifest.digest)
    rate = live.images_per_second if live.workers else manifest.images_per_second
    resolver = LabelResolver(parse_labels_spec(submission.labels), ClassTable(manifest.classes))
    with resolver, tempfile.TemporaryDirectory(prefix="nestor-dry-run-") as work_dir:
        source = open_source(
            submission.source,
            settings=settings,
            options=SourceOptions(**submission.source_options),
            spool_dir=Path(work_dir),
            standard_input=sys.stdin.buffer if submission.source == "-" else None,
        )
        with Console(stderr=True).status("reading the source") as status:
            return dry_run(
                source,
                resolver=resolver,
                images_per_second=rate,
                work_dir=Path(work_dir),
                progress=lambda items: status.update(f"reading the source: {items:,} items"),
            )
