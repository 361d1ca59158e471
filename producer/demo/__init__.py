"""The bundled demo: a compiled `resnest_tiny` and 1,000 Fashion-MNIST test images.

Package data, so that an installed wheel needs no checkout; `training.fashion_mnist.make_demo`
writes it. A checkpoint lies beside it, so that everything can be compiled again without training.
"""

import io
import zipfile
from importlib.resources import files
from pathlib import Path

from shared.errors import ArtifactError

__all__ = [
    "ARTIFACT_NAME",
    "CHECKPOINT_NAME",
    "IMAGES_NAME",
    "demo_artifact",
    "demo_checkpoint",
    "unpack_demo_images",
]

ARTIFACT_NAME = "resnest_tiny_fashion_mnist"
CHECKPOINT_NAME = "resnest_tiny_fashion_mnist.safetensors"
IMAGES_NAME = "fashion_mnist_1000.zip"


def demo_artifact() -> Path:
    """Return the folder of the compiled demo artifact (it may be read-only)."""
    return _installed(ARTIFACT_NAME)


def demo_checkpoint() -> Path:
    """Return the fp32 checkpoint that the demo artifact was compiled from."""
    return _installed(CHECKPOINT_NAME)


def unpack_demo_images(target: Path) -> Path:
    """Write the 1,000 test images into class folders under `target` and return it."""
    content = files(__name__).joinpath(IMAGES_NAME).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(target)
    return target


def _installed(name: str) -> Path:
    path = Path(str(files(__name__).joinpath(name)))
    if not path.exists():
        raise ArtifactError(f"the demo's {name} is not installed: install nestor from its wheel")
    return path
