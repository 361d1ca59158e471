"""The manifest of an artifact: a compiled model, what it was made from, and how to check it.

Lies as `manifest.json` in the artifact's folder; workers register it in SQL; a job pins its digest.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import ArtifactError

MANIFEST_NAME = "manifest.json"
MANIFEST_VERSION: Final = 1

Precision = Literal["fp32", "fp16", "int8"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassName(_Frozen):
    """One class: its id (for ImageNet the wnid) and its name; its index is its position."""

    id: str
    name: str


class RecipeReference(_Frozen):
    """Which preprocessing made the pixels; `digest` covers every parameter of it."""

    name: Literal["exact", "fast"]
    input_size: int
    digest: str


class WeightsOrigin(_Frozen):
    """Where the weights come from; `sha256` is of the fp32 state dict file or of its tensors."""

    kind: Literal["official", "file", "random"]
    sha256: str
    seed: int | None = None


class Calibration(_Frozen):
    """What int8 calibration saw."""

    source: str
    count: int


class SelfTest(_Frozen):
    """Images whose pixels and outputs must be reproduced before a worker starts.

    `images` are files of the artifact; `pixels_sha256` are the digests of the uint8 HWC pixels the
    recipe must give; `expected_file` is a float32 `.npy` of shape (images, classes): torch fp32
    probabilities. Top-1 must agree for every image whose margin exceeds `margin`, and no
    probability may drift by more than `max_drift`.
    """

    images: list[str]
    pixels_sha256: list[str]
    expected_file: str
    margin: float
    max_drift: float


class ArtifactManifest(_Frozen):
    """All that is known of an artifact.

    `files` maps each compiled file and self-test file (relative path) to its sha256; `digest` is
    the sha256 of the manifest's canonical JSON without `digest` itself.
    """

    manifest_version: Literal[1] = MANIFEST_VERSION
    name: str
    variant: str
    backend: Literal["openvino", "torch_export", "vacc", "simulated"]
    device_kind: Literal["cpu", "cuda", "torch-cpu", "vacc", "simulated"]
    classes: list[ClassName]
    input_size: int
    layout: Literal["uint8_nhwc"] = "uint8_nhwc"
    topk: int
    batch_size: int
    precision_asked: Precision
    precision_used: str
    recipe: RecipeReference
    weights: WeightsOrigin
    calibration: Calibration | None = None
    toolchain: dict[str, str]
    self_test: SelfTest
    images_per_second: float
    gate: dict[str, Any]
    files: dict[str, str]
    digest: str = ""

    def canonical_digest(self) -> str:
        """Return the sha256 (hex) of everything but `digest`."""
        document = self.model_dump(mode="json", exclude={"digest"})
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def with_digest(self) -> "ArtifactManifest":
        """Return a copy that carries its own digest."""
        return self.model_copy(update={"digest": self.canonical_digest()})

    @property
    def has_random_weights(self) -> bool:
        """Whether the weights say nothing about images (`random:SEED`)."""
        return self.weights.kind == "random"


def read_manifest(folder: Path) -> ArtifactManifest:
    """Read and check a manifest; the files it names are checked by whoever loads them.

    Raises:
        ArtifactError: if there is none, it is malformed, or its digest does not match.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = ArtifactManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} is no artifact: it has no {MANIFEST_NAME}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"{path} is not a valid manifest: {where}: {first['msg']}") from error
    if manifest.digest != manifest.canonical_digest():
        raise ArtifactError(f"{path} was changed after it was written: its digest does not match")
    return manifest
