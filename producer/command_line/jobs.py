"""`nestor submit`, `jobs`, `status`, `cancel`, `pause`, `resume` and `delete`."""

from typing import Any

import click

from producer.command_line.output import exit_unless_good, json_option, number, print_table
from producer.job_status import status_lines
from shared.command_line import print_json


@click.command()
@click.argument("source")
@click.option("--artifact", required=True, help="Name, or the beginning of a digest.")
@click.option(
    "--labels",
    default="folders",
    show_default=True,
    help="Where true classes are: folders, column:NAME, file:PATH or none.",
)
@click.option("--id-column", help="Column with your own ids.")
@click.option("--uri-column", help="Column with the addresses; usual names are found.")
@click.option("--list-format", type=click.Choice(["txt", "csv", "tsv", "jsonl", "parquet"]))
@click.option("--topk", default=5, show_default=True)
@click.option("--chunk-size", default="auto", show_default=True)
@click.option(
    "--priority", default="normal", show_default=True, type=click.Choice(["high", "normal", "low"])
)
@click.option("--deadline", type=float, help="Seconds after which the job expires.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N images.")
@click.option("--dry-run", is_flag=True, help="Read the source and report; queue nothing.")
@click.option("--wait", is_flag=True, help="Follow the job to its end.")
@click.option("--allow-random", is_flag=True, help="Take an artifact with random weights.")
@click.option("--max-failure-rate", default=0.5, show_default=True)
@json_option
def submit(dry_run: bool, wait: bool, as_json: bool, **options: Any) -> None:
    """Label every image of SOURCE.

    SOURCE is a folder, a .txt .csv .tsv .jsonl or .parquet list (local, http(s) or s3), an
    s3://bucket/prefix/, or - for a list on standard input.

    \b
    nestor submit photos/ --artifact resnest50-int8 --wait
    nestor submit list.csv --artifact resnest50-int8 --labels column:wnid --id-column sku
    nestor submit s3://bucket/val/ --artifact resnest50-int8 --dry-run
    """
    from producer.commands.stores import open_store
    from producer.commands.submit import Submission
    from producer.commands.submit import submit as submit_job
    from producer.commands.watch import read_status, watch_job

    submission = Submission.from_options(options)
    if dry_run:
        from producer.commands.dry_run import run_dry_run

        report = run_dry_run(submission)
        print_json(report.as_dict()) if as_json else click.echo("\n".join(report.render()))
        return
    job = submit_job(submission)
    with open_store() as store:
        status = watch_job(store, job.id) if wait else read_status(store, job.id)
    if as_json:
        print_json(status)
    else:
        click.echo("\n".join(status_lines(status)))
    if wait:
        exit_unless_good(status)


@click.command()
@click.option("--limit", default=50, show_default=True)
@json_option
def jobs(limit: int, as_json: bool) -> None:
    """List jobs, newest first.

    \b
    nestor jobs --limit 10
    """
    from producer.commands.jobs import age, listing

    rows = listing(limit)
    if as_json:
        print_json({"jobs": rows})
        return
    print_table(
        ("job", "state", "images", "failed", "images/s", "submitted", "source"),
        [
            (
                row["job_id"],
                "stalled" if row["stalled"] else row["state"],
                f"{row['predicted'] + row['failed']:,} of {number(row['total'])}",
                number(row["failed"]),
                number(row["images_per_second"]),
                age(row["created_at"]),
                row["source"],
            )
            for row in rows
        ],
    )


@click.command()
@click.argument("job")
@click.option("--watch", is_flag=True, help="Follow the job to its end.")
@json_option
def status(job: str, watch: bool, as_json: bool) -> None:
    """Show where JOB stands: counts, running accuracy, rate.

    \b
    nestor status 3f9a --json | jq .counts
    """
    from producer.commands import jobs as job_commands
    from producer.commands.stores import open_store
    from producer.commands.watch import watch_job

    if watch:
        with open_store() as store:
            document = watch_job(store, job)
    else:
        document = job_commands.status(job)
    if as_json:
        print_json(document)
    else:
        click.echo("\n".join(status_lines(document)))


def _action(name: str, text: str) -> click.Command:
    @click.command(name, help=f"{text}\n\n\b\nnestor {name} 3f9a")
    @click.argument("job")
    def act(job: str) -> None:
        from producer.commands.jobs import act as act_on_job

        click.echo(f"{name}: job {act_on_job(name, job)}")

    return act


COMMANDS = (
    submit,
    jobs,
    status,
    _action("cancel", "Drop what JOB has queued; what is done is evaluated."),
    _action("pause", "Stop handing out JOB's chunks; what workers have in hand is finished."),
    _action("resume", "Go on with a paused JOB."),
    _action("delete", "Remove an ended JOB with its predictions."),
)
