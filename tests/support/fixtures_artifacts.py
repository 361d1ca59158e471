"""Session fixtures: each artifact is compiled once, when the first test asks for it."""

from pathlib import Path

import pytest

from tests.support.artifacts import (
    compile_tiny,
    write_pictures,
    write_simulated_artifact,
    write_tying_weights,
)
from worker.artifact import Artifact

#: For calibration with 40 images, 64 kept for the gate.
PICTURE_COUNT = 104


@pytest.fixture(scope="session")
def artifacts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """104 small JPEGs in a folder tree."""
    return write_pictures(tmp_path_factory.mktemp("pictures"), count=PICTURE_COUNT)


@pytest.fixture(scope="session")
def tiny_artifact(artifacts_folder: Path) -> Artifact:
    """resnest_tiny, random:0, ten classes, fp32 on OpenVINO, input size 64."""
    return compile_tiny(artifacts_folder / "tiny")


@pytest.fixture(scope="session")
def tiny_artifact_size_8(artifacts_folder: Path) -> Artifact:
    """The same at input size 8, in batches of 64: the cheapest real network there is."""
    return compile_tiny(
        artifacts_folder / "tiny_size_8", input_size=8, batch_size=64, name="tiny-8"
    )


@pytest.fixture(scope="session")
def tiny_int8_artifact(artifacts_folder: Path, picture_folder: Path) -> Artifact:
    """resnest_tiny, random:0, int8 on OpenVINO, calibrated with drawn pictures."""
    return compile_tiny(
        artifacts_folder / "tiny_int8",
        precision="int8",
        calibration=str(picture_folder),
        calibration_count=40,
    )


@pytest.fixture(scope="session")
def simulated_artifact(artifacts_folder: Path) -> Artifact:
    """For `simulated:N`: ten classes, input size 8, batches of 8."""
    return write_simulated_artifact(artifacts_folder / "simulated")


@pytest.fixture(scope="session")
def tying_weights(artifacts_folder: Path) -> Path:
    """A state dict whose even classes tie on every image, at 0."""
    return write_tying_weights(artifacts_folder / "ties.pth")


@pytest.fixture(scope="session")
def tying_artifact(artifacts_folder: Path, tying_weights: Path) -> Artifact:
    """The tying network on OpenVINO in fp32."""
    return compile_tiny(artifacts_folder / "ties_cpu", weights=str(tying_weights))


@pytest.fixture(scope="session")
def tying_torch_artifact(artifacts_folder: Path, tying_weights: Path) -> Artifact:
    """The tying network for torch-cpu."""
    return compile_tiny(
        artifacts_folder / "ties_torch", weights=str(tying_weights), device_kind="torch-cpu"
    )
