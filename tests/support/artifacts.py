"""Artifacts to test with: small compiled networks, and simulated ones that need no compiler."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shared.artifact_manifest import ArtifactManifest, ClassName, WeightsOrigin
from shared.settings import Settings
from tests.support.pictures import draw_picture
from worker.artifact import Artifact, load_artifact, seal_artifact, staged_artifact
from worker.devices.simulated_device import simulated_probabilities
from worker.preprocessing.recipes import open_recipe


def settings_in(folder: Path) -> Settings:
    """Return settings whose caches lie in the folder."""
    return Settings(data_dir=folder)


def write_classes(path: Path, *, count: int = 10) -> Path:
    path.write_text("".join(f"id{index}\tname {index}\n" for index in range(count)))
    return path


def write_pictures(folder: Path, *, count: int, side: int = 96) -> Path:
    """Fill a folder tree with small JPEGs, ten to a folder."""
    for number in range(count):
        path = folder / f"class_{number // 10:02}" / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_picture(side, side, number)).save(path, quality=90)
    return folder


def compile_tiny(folder: Path, **options: Any) -> Artifact:
    """Compile resnest_tiny with ten classes, random weights and a short measurement."""
    from worker.compilation.compiler import compile_artifact
    from worker.compilation.request import CompileRequest

    folder.parent.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, Any] = {
        "variant": "resnest_tiny",
        "device_kind": "cpu",
        "precision": "fp32",
        "weights": "random:0",
        "input_size": 64,
        "ahead_of_time": False,
        "benchmark_seconds": 0.2,
        "weights_cache": folder.parent / "weights",
        "classes_file": write_classes(folder.parent / "classes.tsv"),
    } | options
    request = CompileRequest(destination=folder, **chosen)
    return compile_artifact(request, settings_in(folder.parent / "data"))


def write_simulated_artifact(
    folder: Path,
    *,
    classes: int = 10,
    input_size: int = 8,
    batch_size: int = 8,
    images_per_second: float = 1000.0,
    name: str = "simulated",
) -> Artifact:
    """Write an artifact for `simulated:N` devices; its self-test holds on them."""
    from worker.compilation.self_test_files import collect_self_test, write_self_test

    recipe = open_recipe("exact", input_size)
    images = collect_self_test(recipe, ())
    expected = simulated_probabilities(images.pixels, classes=classes)
    with staged_artifact(folder) as stage:
        self_test = write_self_test(stage, images, expected, margin=0.001, max_drift=0.001)
        draft = ArtifactManifest(
            name=name,
            variant="simulated",
            backend="simulated",
            device_kind="simulated",
            classes=[ClassName(id=f"id{n}", name=f"name {n}") for n in range(classes)],
            input_size=input_size,
            topk=min(10, classes),
            batch_size=batch_size,
            precision_asked="fp32",
            precision_used="fp32",
            recipe=recipe.reference(),
            weights=WeightsOrigin(kind="random", sha256="0" * 64, seed=0),
            toolchain={},
            self_test=self_test,
            images_per_second=images_per_second,
            gate={},
            files={},
        )
        seal_artifact(stage, draft)
    return load_artifact(folder)


def noise(images: int, size: int, *, seed: int = 0) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Return a batch of noise, uint8 (images, S, S, 3)."""
    shape = (images, size, size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_tying_weights(path: Path) -> Path:
    """Write weights by which the even ones of ten classes get a probability of exactly 0."""
    import torch

    from worker.models.random_weights import build_random

    network = build_random("resnest_tiny", classes=10, seed=1)
    with torch.no_grad():
        network.fc.bias[::2] = -1000.0
    torch.save(network.state_dict(), path)
    return path
