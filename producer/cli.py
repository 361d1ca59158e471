"""The `nestor` command: submit work, follow it, read its results, run everything on one machine.

Options are declared in `producer.command_line`; what a command does lies in `producer.commands`
and is imported when it runs.
"""

import click

from producer.command_line import jobs, results, stack
from shared.command_line import NestorGroup


@click.group(cls=NestorGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the trace of an error.")
@click.version_option(package_name="nestor")
def main(debug: bool) -> None:
    """Label image sets with compiled ResNeSt models.

    \b
    nestor up &                                        start everything on this machine
    nestor submit photos/ --artifact NAME --wait       label a folder, print its accuracy
    nestor results JOB --format parquet -o out.parquet
    """


for _module in (stack, jobs, results):
    for _command in _module.COMMANDS:
        main.add_command(_command)


if __name__ == "__main__":
    main()
