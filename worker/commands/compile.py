"""`nestor-worker compile`: from a variant and weights to an artifact that passed its gate."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.command_line import print_json

if TYPE_CHECKING:
    from worker.artifact import Artifact


@click.command("compile")
@click.argument("variant")
@click.option(
    "--device",
    "device_kind",
    required=True,
    type=click.Choice(["cpu", "cuda", "torch-cpu"]),
    help="The kind of device to compile for.",
)
@click.option("--precision", required=True, type=click.Choice(["fp32", "fp16", "int8"]))
@click.option(
    "--weights", default="official", show_default=True, help="official, a file, or random:SEED."
)
@click.option(
    "--classes",
    "classes_file",
    type=click.Path(path_type=Path),
    help="One class a line in index order: its id, then a tab and its name. Default: ImageNet's.",
)
@click.option(
    "--size",
    "input_size",
    type=click.IntRange(8, 4096),
    help="Input size; the variant's native one if left out.",
)
@click.option("--recipe", default="exact", show_default=True, type=click.Choice(["exact", "fast"]))
@click.option(
    "--calibration",
    help="A folder of images or a .txt list of paths: int8 needs it, the accuracy gate uses it.",
)
@click.option(
    "--calibration-count",
    default=300,
    show_default=True,
    type=click.IntRange(min=1),
    help="Images that int8 is calibrated with; 64 more are kept for the gate.",
)
@click.option(
    "--batch", "batch_size", type=click.IntRange(1, 1024), help="The largest batch of the device."
)
@click.option(
    "--ahead-of-time/--no-ahead-of-time",
    default=True,
    show_default=True,
    help="For cuda and torch-cpu: compile with AOTInductor where that works.",
)
@click.option("--name", help="The artifact's name; VARIANT-DEVICE-PRECISION if left out.")
@click.option(
    "-o", "--out", "destination", required=True, type=click.Path(path_type=Path, file_okay=False)
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def compile_(as_json: bool, **options: Any) -> None:
    r"""Compile VARIANT into an artifact folder, and keep it only if it passes the gate.

    \b
    nestor-worker compile resnest50 --device cpu --precision int8 --calibration photos/ -o r50
    nestor-worker compile resnest_tiny --device cpu --precision fp32 --weights random:0 -o tiny
    """
    from shared.errors import MissingExtra
    from shared.settings import read_settings

    settings = read_settings()
    try:
        from worker.compilation.compiler import compile_artifact
        from worker.compilation.request import CompileRequest
    except ModuleNotFoundError as error:
        raise MissingExtra(extra="compile", purpose="compiling") from error
    request = CompileRequest(weights_cache=settings.data_dir / "weights", **options)
    artifact = compile_artifact(request, settings)
    if as_json:
        print_json(_document(artifact))
    else:
        click.echo("\n".join(_lines(artifact)))


def _document(artifact: "Artifact") -> dict[str, Any]:
    shown = {"name", "variant", "backend", "device_kind", "input_size", "batch_size", "topk"}
    shown |= {"precision_asked", "precision_used", "images_per_second", "digest", "gate"}
    shown |= {"weights", "calibration", "toolchain", "recipe"}
    document = artifact.manifest.model_dump(mode="json", include=shown)
    return {"artifact": str(artifact.folder), "classes": len(artifact.manifest.classes)} | document


def _lines(artifact: "Artifact") -> list[str]:
    manifest, gate = artifact.manifest, artifact.manifest.gate
    return [
        f"artifact    {artifact.folder}",
        f"name        {manifest.name}  {manifest.digest[:12]}",
        f"precision   asked {manifest.precision_asked}, used {manifest.precision_used}",
        f"drift       {gate['drift']}: at worst {gate['largest_drift']:.3g} "
        f"(limit {gate['max_drift']:.3g}), median {gate['median_drift']:.3g} "
        f"(limit {gate['max_median_drift']:.3g}), {gate['images']} images",
        f"accuracy    {gate['accuracy']}: {gate['accuracy_note']}",
        f"speed       {manifest.images_per_second:,.1f} images/s",
    ]
