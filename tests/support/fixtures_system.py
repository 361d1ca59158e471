"""Fixtures for tests of the whole system: a cheap artifact and what it must answer."""

from pathlib import Path

import pytest

from shared.settings import Settings
from tests.support.device_runs import top1_on_device
from tests.support.tiny_images import FILES, tiny_png
from worker.artifact import Artifact
from worker.compilation.compiler import compile_artifact
from worker.compilation.request import CompileRequest
from worker.preprocessing.recipes import open_recipe


@pytest.fixture(scope="session")
def artifact_8(tmp_path_factory) -> Artifact:
    """`resnest_tiny` at input size 8, ten classes, random weights, OpenVINO fp32."""
    folder: Path = tmp_path_factory.mktemp("artifact-8")
    classes = folder / "classes.txt"
    classes.write_text("\n".join(str(number) for number in range(10)))
    request = CompileRequest(
        variant="resnest_tiny",
        device_kind="cpu",
        precision="fp32",
        weights="random:0",
        destination=folder / "artifact",
        weights_cache=folder / "weights",
        classes_file=classes,
        input_size=8,
        name="tiny-8",
    )
    return compile_artifact(request, Settings(data_dir=folder))


@pytest.fixture(scope="session")
def expected_top1(artifact_8, tmp_path_factory) -> list[int]:
    """The best class of each of the sixteen tiny files, straight from the device."""
    import numpy as np

    recipe = open_recipe("exact", 8)
    pixels = np.stack([recipe.pixels(tiny_png(number)) for number in range(FILES)])
    settings = Settings(data_dir=tmp_path_factory.mktemp("expected"))
    top1 = top1_on_device("cpu:0", artifact_8.folder, pixels, settings=settings)
    assert len(set(top1.tolist())) > 1, "all files get one class: the comparison would be blind"
    return top1.tolist()
