"""`nestor demo` and `nestor up`."""

from pathlib import Path

import click

from producer.command_line.output import exit_unless_good, json_option
from shared.command_line import print_json
from shared.settings import read_settings


@click.command()
@json_option
@click.option("--keep", is_flag=True, help="Keep the data folder and say where it is.")
def demo(as_json: bool, keep: bool) -> None:
    """Label the 1,000 bundled Fashion-MNIST images and print their accuracy.

    \b
    nestor demo
    nestor demo --json | tail -1 | jq .accuracy.top1
    """
    from producer.commands.demo import run_demo

    status, lines = run_demo(read_settings(), keep=keep)
    for line in lines:
        click.echo(line, err=as_json)
    if as_json:
        print_json(status)
    exit_unless_good(status)


@click.command()
@click.option("--devices", default="cpu:0", show_default=True, help="Comma-separated devices.")
@click.option(
    "--artifacts",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="An artifact folder; may be given more than once. Default: the demo's artifact.",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Default: NESTOR_DATA_DIR.")
def up(devices: str, artifacts: tuple[Path, ...], data_dir: Path | None) -> None:
    """Run everything on this machine: queue, store, producer, aggregator, one worker a device.

    \b
    nestor up --artifacts artifacts/resnest50-int8
    nestor up --devices cpu:0,cpu:1 --data-dir ./nestor-data      (with NESTOR_CPU_SLOTS=2)
    """
    from producer.commands.up import run_up

    run_up(devices=devices.split(","), artifacts=list(artifacts), data_dir=data_dir)


COMMANDS = (demo, up)
