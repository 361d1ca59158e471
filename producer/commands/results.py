"""`nestor results`: a job's predictions as a file."""

from pathlib import Path
from typing import cast

from producer.commands.stores import open_store
from producer.job_results import read_results
from producer.results_export import ExportFormat, export_results


def write_results(job_id: str, *, file_format: str, out: Path | None, with_raw_uris: bool) -> int:
    """Write the rows in index order; return how many there were."""
    with open_store() as store:
        return export_results(
            read_results(store, job_id),
            format=cast("ExportFormat", file_format),
            out=out,
            with_raw_uris=with_raw_uris,
        )
