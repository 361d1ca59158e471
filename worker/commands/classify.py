"""`nestor-worker classify`: a few images, one process, no broker and no store."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.command_line import print_json

if TYPE_CHECKING:
    from worker.classify import Answer


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--artifact", required=True, type=click.Path(path_type=Path), help="A compiled model's folder."
)
@click.option("--device", default="cpu:0", show_default=True)
@click.option("--topk", default=5, show_default=True, type=click.IntRange(1, 10))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an image.")
def classify(
    images: tuple[str, ...], artifact: Path, device: str, topk: int, as_json: bool
) -> None:
    r"""Print the likeliest classes of each IMAGE: files, folders or addresses.

    \b
    nestor-worker classify cat.jpg photos/ --artifact artifacts/resnest50-int8
    """
    from shared.settings import read_settings
    from worker.classify import classify_images

    predicted = 0
    for answer in classify_images(
        images, artifact_folder=artifact, device_name=device, topk=topk, settings=read_settings()
    ):
        predicted += answer.reason is None
        if as_json:
            print_json(answer.as_dict())
        else:
            click.echo(_line(answer))
    if not predicted:
        raise SystemExit(1)


def _line(answer: "Answer") -> str:
    if answer.reason is not None:
        return f"{answer.uri}  {answer.status}: {answer.reason}"
    ranked = "  ".join(f"{best.name} {best.probability:.4f}" for best in answer.topk)
    return f"{answer.uri}  {ranked}"
