"""One compilation from request to artifact: build, gate, measure, seal; or leave nothing."""

from dataclasses import dataclass
from pathlib import Path

from shared.artifact_manifest import ArtifactManifest, SelfTest
from shared.settings import Settings
from worker.artifact import (
    Artifact,
    check_destination,
    hash_files,
    load_artifact,
    seal_artifact,
    staged_artifact,
)
from worker.compilation.backends import BuiltGraph, build_graph, toolchain_versions
from worker.compilation.gate import CLEAR_MARGIN, TOLERANCES, GateReport, judge, require_pass
from worker.compilation.ingredients import Ingredients, gather
from worker.compilation.request import CompileRequest
from worker.compilation.self_test_files import write_self_test
from worker.devices import Device, open_device
from worker.devices.benchmark import measure
from worker.devices.self_test import classify_all, compare
from worker.progress import ProgressBars

#: A worker's self-test calls an image clear beyond this many times the margin of a flipped one.
_FLIP_MARGIN_FACTOR = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What only the opened device could tell."""

    gate: GateReport
    precision_used: str
    self_test_margin: float
    images_per_second: float


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
    ingredients = gather(request, bars)
    with staged_artifact(request.destination) as stage:
        built = build_graph(
            request,
            ingredients.weights.model,
            stage,
            input_size=ingredients.recipe.input_size,
            topk=ingredients.topk,
            calibration=ingredients.images.calibration if ingredients.images else (),
            bars=bars,
        )
        tolerance = TOLERANCES[request.precision]
        self_test = write_self_test(
            stage,
            ingredients.self_test,
            ingredients.expected,
            margin=tolerance.margin,
            max_drift=tolerance.max_drift,
        )
        draft = _draft(ingredients, stage, self_test=self_test, built=built)
        measured = _gate_and_measure(
            Artifact(folder=stage, manifest=draft), ingredients, settings, bars
        )
        seal_artifact(stage, _finish(draft, measured))
    return load_artifact(request.destination)


def _gate_and_measure(
    artifact: Artifact, ingredients: Ingredients, settings: Settings, bars: ProgressBars
) -> _Measured:
    request = ingredients.request
    tolerance = TOLERANCES[request.precision]
    device = open_device(f"{request.device_kind}:0", artifact, settings)
    try:
        with bars.step("gate"):
            answers = classify_all(device, ingredients.self_test.pixels)
        gate = judge(
            compare(answers, ingredients.expected, margin=CLEAR_MARGIN),
            tolerance,
            has_calibration_source=ingredients.images is not None,
            random_weights=ingredients.weights.origin.kind == "random",
        )
        require_pass(gate)
        flipped = compare(answers, ingredients.expected, margin=0.0).largest_flipped_margin
        return _Measured(
            gate=gate,
            precision_used=device.precision_used,
            self_test_margin=max(tolerance.margin, flipped * _FLIP_MARGIN_FACTOR),
            images_per_second=_measure_rate(device, ingredients, bars),
        )
    finally:
        device.close()


def _measure_rate(device: Device, ingredients: Ingredients, bars: ProgressBars) -> float:
    with bars.step("speed"):
        report = measure(
            device,
            input_size=ingredients.recipe.input_size,
            batch_size=device.batch_size,
            seconds=ingredients.request.benchmark_seconds,
        )
    return round(report.images_per_second, 1)


def _draft(
    ingredients: Ingredients, stage: Path, *, self_test: SelfTest, built: BuiltGraph
) -> ArtifactManifest:
    request = ingredients.request
    return ArtifactManifest(
        name=request.name or f"{request.variant}-{request.device_kind}-{request.precision}",
        variant=request.variant,
        backend=built.backend,
        device_kind=request.device_kind,
        classes=ingredients.classes,
        input_size=ingredients.recipe.input_size,
        topk=ingredients.topk,
        batch_size=request.largest_batch,
        precision_asked=request.precision,
        precision_used="not measured yet",
        recipe=ingredients.recipe.reference(),
        weights=ingredients.weights.origin,
        calibration=ingredients.calibration,
        toolchain=toolchain_versions() | built.toolchain,
        self_test=self_test,
        images_per_second=0.0,
        gate={},
        files=hash_files(stage),
    )


def _finish(draft: ArtifactManifest, measured: _Measured) -> ArtifactManifest:
    return draft.model_copy(
        update={
            "precision_used": measured.precision_used,
            "gate": measured.gate.as_dict(),
            "images_per_second": measured.images_per_second,
            "self_test": draft.self_test.model_copy(update={"margin": measured.self_test_margin}),
        }
    )
