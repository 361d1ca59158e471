"""The `nestor-worker` command: compile models, run workers, try images and devices."""

from pathlib import Path

import click

from shared.command_line import NestorGroup
from worker.commands.bench import bench
from worker.commands.classify import classify
from worker.commands.compile import compile_
from worker.commands.info import info


@click.group(cls=NestorGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the trace of an error.")
@click.version_option(package_name="nestor")
def main(debug: bool) -> None:
    """Compile ResNeSt models and run them on devices."""


@main.command()
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
    from shared.logs import set_up_logs
    from shared.settings import read_settings
    from worker.lifecycle import run_worker

    set_up_logs(process=f"worker {device}")
    raise SystemExit(run_worker(read_settings(), device_name=device, folders=artifacts))


for _command in (info, compile_, classify, bench):
    main.add_command(_command)


if __name__ == "__main__":
    main()
