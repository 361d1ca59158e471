"""One compilation from request to artifact: build, gate, measure, seal; or leave nothing."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.artifact_manifest import (
    ArtifactManifest,
    Calibration,
    ClassName,
    SelfTest,
)
from shared.errors import CompileError
from shared.settings import Settings
from worker.artifact import (
    Artifact,
    check_destination,
    hash_files,
    load_artifact,
    seal_artifact,
    staged_artifact,
)
from worker.compilation.backends import build_graph
from worker.compilation.calibration_images import (
    HELD_OUT_COUNT,
    CalibrationImages,
    choose_images,
)
from worker.compilation.classifier import MAX_TOPK, Probabilities, expected_probabilities
from worker.compilation.gate import CLEAR_MARGIN, TOLERANCES, GateReport, judge, require_pass
from worker.compilation.progress import ProgressBars
from worker.compilation.request import CompileRequest, read_classes
from worker.compilation.self_test_files import SelfTestImages, write_self_test
from worker.devices import open_device
from worker.devices.base import Device
from worker.devices.benchmark import measure
from worker.devices.self_test import classify_all, compare
from worker.models.variants import find_variant
from worker.models.weights import LoadedWeights, load_weights
from worker.preprocessing.recipes import Recipe, open_recipe

_BENCHMARK_SECONDS = 2.5
#: A worker's self-test calls an image clear beyond this many times the margin of a flipped one.
_FLIP_MARGIN_FACTOR = 1.5
_TOOLS = ("torch", "openvino", "nncf", "pillow", "simplejpeg", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ingredients:
    """All that was read and computed before the graph is built."""

    request: CompileRequest
    recipe: Recipe
    classes: list[ClassName]
    weights: LoadedWeights
    images: CalibrationImages | None
    self_test: SelfTestImages
    expected: NDArray[np.float32]

    @property
    def topk(self) -> int:
        return min(MAX_TOPK, len(self.classes))


def compile_artifact(
    request: CompileRequest, settings: Settings, *, bars: ProgressBars | None = None
) -> Artifact:
    """Compile a variant into the request's destination, and load it from there.

    Raises:
        CompileError: it cannot be compiled as asked, or misses the gate; nothing is left.
        UsageError: the weights, the recipe or the destination are not usable.
    """
    bars = bars or ProgressBars()
    request.check()
    check_destination(request.destination)
    ingredients = _gather(request, bars)
    with staged_artifact(request.destination) as stage:
        _build(ingredients, stage, bars, settings)
    return load_artifact(request.destination)


def _gather(request: CompileRequest, bars: ProgressBars) -> _Ingredients:
    size = request.input_size or find_variant(request.variant).native_input_size
    recipe = open_recipe(request.recipe, size)
    classes = read_classes(request.classes_file)
    images = _calibration_images(request, recipe, bars)
    with bars.download("weights") as progress:
        weights = load_weights(
            request.weights,
            request.variant,
            len(classes),
            cache_dir=request.weights_cache,
            progress=progress,
        )
    self_test = SelfTestImages.collect(recipe, images.held_out if images else ())
    with bars.step("expected answers (torch fp32)", total=len(self_test.pixels)) as advance:
        expected = expected_probabilities(
            Probabilities(weights.model).eval(), self_test.pixels, advance=advance
        )
    if not np.isfinite(expected).all():
        raise CompileError("the network answers with numbers that are not finite: other weights?")
    return _Ingredients(
        request=request,
        recipe=recipe,
        classes=classes,
        weights=weights,
        images=images,
        self_test=self_test,
        expected=expected,
    )


def _calibration_images(
    request: CompileRequest, recipe: Recipe, bars: ProgressBars
) -> CalibrationImages | None:
    if request.calibration is None:
        return None
    count = request.calibration_count if request.precision == "int8" else 0
    with bars.step("images", total=HELD_OUT_COUNT + count) as advance:
        return choose_images(
            request.calibration, recipe, calibration_count=count, advance=advance
        )


def _build(
    ingredients: _Ingredients, stage: Path, bars: ProgressBars, settings: Settings
) -> None:
    request, images = ingredients.request, ingredients.images
    backend, toolchain = build_graph(
        request,
        ingredients.weights.model,
        stage,
        input_size=ingredients.recipe.input_size,
        topk=ingredients.topk,
        calibration=images.calibration if images else (),
        bars=bars,
    )
    self_test = write_self_test(stage, ingredients.self_test, ingredients.expected)
    tolerance = TOLERANCES[request.precision]
    draft = ArtifactManifest(
        name=request.name or f"{request.variant}-{request.device_kind}-{request.precision}",
        variant=request.variant,
        backend=backend,
        device_kind=request.device_kind,
        classes=ingredients.classes,
        input_size=ingredients.recipe.input_size,
        topk=ingredients.topk,
        batch_size=request.largest_batch,
        precision_asked=request.precision,
        precision_used="",
        recipe=ingredients.recipe.reference(),
        weights=ingredients.weights.origin,
        calibration=_calibration_record(images),
        toolchain=_versions() | toolchain,
        self_test=SelfTest(
            **self_test, margin=tolerance.margin, max_drift=tolerance.max_drift
        ),
        images_per_second=0.0,
        gate={},
        files=hash_files(stage),
    )
    artifact = Artifact(folder=stage, manifest=draft)
    device = open_device(f"{request.device_kind}:0", artifact, settings.model_copy(
        update={"cpu_slots": 1, "data_dir": stage.parent / f"{stage.name}.cache"}))
    try:
        final = _gate_and_measure(device, draft, ingredients, bars)
    finally:
        device.close()
    seal_artifact(stage, final)
