"""Makes the demo's package data from its checkpoint: test images and the compiled artifact.

    python -m training.fashion_mnist.make_demo

No training: whenever the artifact's format or the compiler changes, this command alone brings the
demo up to date.
"""

import shutil
import tempfile
from pathlib import Path

import click

from producer import demo
from shared.artifact_manifest import Precision, read_manifest
from shared.errors import CompileError
from training.fashion_mnist.dataset import DEBIAN_FOLDER, first_of_each_class, read_garments
from training.fashion_mnist.image_files import (
    INPUT_SIZE,
    image_archive,
    write_class_file,
    write_tree,
)
from training.fashion_mnist.train import CHECKPOINT, VARIANT
from worker.cli import main as nestor_worker

PACKAGE_FOLDER = Path(demo.__file__).parent
TEST_IMAGES_A_CLASS = 100
CALIBRATION_IMAGES_A_CLASS = 100
MAX_PACKAGE_BYTES = 10_000_000


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=DEBIAN_FOLDER, show_default=True)
@click.option("--checkpoint", type=click.Path(path_type=Path, exists=True), default=CHECKPOINT)
@click.option("--output", "-o", type=click.Path(path_type=Path), default=PACKAGE_FOLDER)
def main(data: Path, checkpoint: Path, output: Path) -> None:
    """Write the demo's images and artifact, and the checkpoint where it is not there already."""
    test = read_garments("test", data)
    chosen = first_of_each_class(test.labels, TEST_IMAGES_A_CLASS)
    (output / demo.IMAGES_NAME).write_bytes(image_archive(test, chosen))
    if checkpoint.resolve() != (output / demo.CHECKPOINT_NAME).resolve():
        shutil.copyfile(checkpoint, output / demo.CHECKPOINT_NAME)
    with tempfile.TemporaryDirectory() as scratch:
        artifact = compile_artifact(
            output / demo.CHECKPOINT_NAME, data_folder=data, scratch=Path(scratch)
        )
        replace_folder(output / demo.ARTIFACT_NAME, artifact)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    if size > MAX_PACKAGE_BYTES:
        raise CompileError(f"the demo holds {size} bytes: at most {MAX_PACKAGE_BYTES} may ship")
    digest = read_manifest(output / demo.ARTIFACT_NAME).digest
    click.echo(f"wrote {output}: {size / 1e6:.2f} MB, artifact {digest[:12]}")


def compile_artifact(
    checkpoint: Path, *, data_folder: Path, scratch: Path, precision: Precision = "int8"
) -> Path:
    """Compile the checkpoint as a user would, calibrated on training images; return the folder."""
    train = read_garments("train", data_folder)
    calibration, classes = scratch / "fashion_mnist_train", scratch / "classes.tsv"
    artifact = scratch / demo.ARTIFACT_NAME
    write_tree(train, first_of_each_class(train.labels, CALIBRATION_IMAGES_A_CLASS), calibration)
    write_class_file(classes)
    options = {
        "--device": "cpu",
        "--precision": precision,
        "--weights": checkpoint,
        "--classes": classes,
        "--size": INPUT_SIZE,
        "--calibration": calibration,
        "--name": demo.ARTIFACT_NAME,
        "-o": artifact,
    }
    words = [str(word) for option in options.items() for word in option]
    nestor_worker(["compile", VARIANT, *words], standalone_mode=False)
    return artifact


def replace_folder(target: Path, source: Path) -> None:
    """Put a folder where an older one may lie."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)


if __name__ == "__main__":
    main()
