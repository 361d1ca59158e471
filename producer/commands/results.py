"""`nestor results`: a job's predictions as a file."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.progress import track

from producer.commands.stores import open_store
from producer.job_results import read_results
from producer.result_row import ResultRow
from producer.results_export import ExportFormat, export_results
from shared.store.engine import Store
from shared.store.jobs import get_job


def write_results(job_id: str, *, file_format: str, out: Path | None, with_raw_uris: bool) -> int:
    """Write the rows in index order; return how many there were."""
    with open_store() as store:
        rows: Iterable[ResultRow] = read_results(store, job_id)
        if out is not None:
            rows = _with_progress(rows, store, job_id)
        return export_results(
            rows,
            format=cast("ExportFormat", file_format),
            out=out,
            with_raw_uris=with_raw_uris,
        )


def _with_progress(rows: Iterable[ResultRow], store: Store, job_id: str) -> Iterable[ResultRow]:
    """Show how far the export is, on a terminal."""
    with store.read() as connection:
        job = get_job(connection, job_id)
    console = Console(stderr=True)
    return track(
        rows,
        description="writing",
        total=job.predicted + job.failed,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
