"""`nestor up`: the embedded stack until a signal ends it."""

from collections.abc import Sequence
from pathlib import Path

import click

from producer.demo import demo_artifact
from producer.local_stack.stack import run_stack
from shared.logs import set_up_logs
from shared.settings import Settings, read_settings


def run_up(*, devices: Sequence[str], artifacts: Sequence[Path], data_dir: Path | None) -> None:
    """Run everything on this machine; say when it is ready."""
    settings = read_settings()
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": data_dir.resolve()})
    set_up_logs(process="up")

    def say_ready(running: Settings) -> None:
        click.echo(f"nestor is up: data and logs in {running.data_dir}; Ctrl-C stops it", err=True)
        if data_dir is not None:
            click.echo(f"other commands find it with NESTOR_DATA_DIR={running.data_dir}", err=True)

    run_stack(
        settings,
        devices=devices,
        artifacts=list(artifacts) or [demo_artifact()],
        ready_callback=say_ready,
    )
