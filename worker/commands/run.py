"""`nestor-worker run`: a worker on one device, until SIGTERM."""

from pathlib import Path

import click

from shared.logs import set_up_logs
from shared.settings import read_settings


@click.command()
@click.option("--device", required=True, help="cpu:N, cuda:N, torch-cpu or simulated:N.")
@click.option(
    "--artifacts",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="An artifact folder; may be given more than once.",
)
def run(device: str, artifacts: tuple[Path, ...]) -> None:
    """Take chunks from the queues of ARTIFACTS and classify them on one device, until SIGTERM.

    \b
    nestor-worker run --device cpu:0 --artifacts artifacts/resnest50-int8
    """
    from worker.lifecycle import run_worker

    set_up_logs(process=f"worker {device}")
    raise SystemExit(run_worker(read_settings(), device_name=device, folders=artifacts))
