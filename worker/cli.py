"""The `nestor-worker` command: compile models, run workers, try images and devices."""

import click

from shared.command_line import NestorGroup
from worker.commands.bench import bench
from worker.commands.classify import classify
from worker.commands.compile import compile_
from worker.commands.info import info
from worker.commands.run import run


@click.group(cls=NestorGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the trace of an error.")
@click.version_option(package_name="nestor")
def main(debug: bool) -> None:
    """Compile ResNeSt models and run them on devices."""


for _command in (info, compile_, run, classify, bench):
    main.add_command(_command)


if __name__ == "__main__":
    main()
