"""`nestor demo`: a whole Nestor in a temporary folder labels the bundled images."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from producer.commands.stores import open_store
from producer.commands.submit import Submission, submit
from producer.commands.watch import watch_job
from producer.demo import ARTIFACT_NAME, demo_artifact, unpack_demo_images
from producer.job_status import status_lines
from producer.local_stack.stack import run_stack
from shared.logs import set_up_logs
from shared.settings import Settings


def run_demo(settings: Settings, *, keep: bool) -> tuple[dict[str, Any], list[str]]:
    """Start everything, label the images, stop everything; return the status and lines to show.

    With `keep` the data folder (store, logs, images) stays and is named in the lines.
    """
    set_up_logs(process="demo", level=logging.WARNING)
    click.echo("starting queue, store, producer, aggregator and a worker on this CPU ..", err=True)
    statuses: list[dict[str, Any]] = []
    with _data_dir(keep=keep) as folder:
        alone = settings.model_copy(
            update={"data_dir": folder, "store_url": None, "redis_url": None}
        )

        def label(running: Settings) -> None:
            images = unpack_demo_images(folder / "images")
            statuses.append(_label(images, running))

        run_stack(alone, devices=["cpu:0"], artifacts=[demo_artifact()], work=label)
    status = statuses[0]
    lines = status_lines(status)
    if keep:
        lines.append(f"data folder: {folder}")
    return status, lines


def _label(images: Path, settings: Settings) -> dict[str, Any]:
    job = submit(
        Submission(source=str(images), artifact=ARTIFACT_NAME, source_options={}), settings
    )
    with open_store(settings) as store:
        return watch_job(store, job.id)


@contextmanager
def _data_dir(*, keep: bool) -> Iterator[Path]:
    if keep:
        yield Path(tempfile.mkdtemp(prefix="nestor-demo-"))
        return
    with tempfile.TemporaryDirectory(prefix="nestor-demo-") as name:
        yield Path(name)
