"""`nestor results`, `report`, `artifacts` and `devices`."""

from pathlib import Path

import click

from producer.command_line.output import json_option, print_table
from shared.command_line import print_json


@click.command()
@click.argument("job")
@click.option(
    "--format",
    "file_format",
    default="jsonl",
    show_default=True,
    type=click.Choice(["jsonl", "csv", "parquet"]),
)
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--with-raw-uris", is_flag=True, help="Do not redact what may be secret.")
def results(job: str, file_format: str, out: Path | None, with_raw_uris: bool) -> None:
    """Write JOB's predictions, one an image, in the order of the source.

    \b
    nestor results 3f9a --format csv -o results.csv
    nestor results 3f9a | jq -c 'select(.status == "failed")'
    """
    from producer.commands.results import write_results

    count = write_results(job, file_format=file_format, out=out, with_raw_uris=with_raw_uris)
    if out is not None:
        click.echo(f"{count:,} rows in {out}", err=True)


@click.command()
@click.argument("job")
@json_option
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write one page.")
@click.option("--baseline", help="Compare with this job on the same images.")
def report(job: str, as_json: bool, html: Path | None, baseline: str | None) -> None:
    """Say how good JOB's predictions are.

    \b
    nestor report 3f9a
    nestor report 3f9a --html report.html --baseline 77c0
    """
    from producer.commands.report import make_report

    document, lines = make_report(job, html=html, baseline=baseline)
    if as_json:
        print_json(document)
    elif html is None:
        click.echo("\n".join(lines))
    else:
        click.echo(f"report in {html}")


@click.command()
@json_option
def artifacts(as_json: bool) -> None:
    """List the artifacts that workers have registered.

    \b
    nestor artifacts
    """
    from producer.commands.stores import open_store
    from shared.store.artifacts import list_artifacts

    with open_store() as store, store.read() as connection:
        rows = list_artifacts(connection)
    if as_json:
        print_json({"artifacts": rows})
        return
    columns = ("name", "digest", "variant", "backend", "precision", "classes")
    short = [{**row, "digest": row["digest"][:12]} for row in rows]
    print_table(columns, [[str(row[column]) for column in columns] for row in short])


@click.command()
@json_option
def devices(as_json: bool) -> None:
    """List the devices of the workers that are alive.

    \b
    nestor devices
    """
    from producer.commands.stores import open_store
    from shared.store.artifacts import list_workers

    with open_store() as store, store.read() as connection:
        rows = list_workers(connection)
    if as_json:
        print_json({"devices": rows})
        return
    columns = ("device", "host", "pid", "chunk_slots")
    print_table(columns, [[str(row[column]) for column in columns] for row in rows])


COMMANDS = (results, report, artifacts, devices)
