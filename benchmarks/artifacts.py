"""Artifacts to measure with: compiled once and kept, with random weights (speed is the same)."""

import hashlib
from pathlib import Path

from benchmarks.corpus import ROOT, Corpus
from benchmarks.plan import Plan
from shared.settings import Settings
from tests.support.artifacts import write_simulated_artifact
from worker.artifact import Artifact, load_artifact
from worker.compilation.calibration_images import HELD_OUT_COUNT
from worker.compilation.compiler import compile_artifact
from worker.compilation.request import DEFAULT_CALIBRATION_COUNT, CompileRequest

#: A change in these folders makes kept artifacts void.
_SOURCES = ("worker/compilation", "worker/models", "worker/preprocessing")


def compiled_artifact(plan: Plan, corpus: Corpus) -> Artifact:
    """Return the plan's network on OpenVINO; the first time, this takes minutes."""
    folder = plan.results / "artifacts" / f"{plan.variant}-{plan.precision}-{_source_digest()}"
    if folder.is_dir():
        return load_artifact(folder)
    print(f"compiling {plan.variant} {plan.precision} into {folder}, once ...", flush=True)
    calibration = plan.scratch / "calibration.txt"
    calibration.write_text("".join(f"{path}\n" for path in corpus.files))
    request = CompileRequest(
        variant=plan.variant,
        device_kind="cpu",
        precision=plan.precision,
        weights="random:0",
        destination=folder,
        weights_cache=plan.results / "weights",
        calibration=str(calibration) if plan.precision == "int8" else None,
        calibration_count=max(
            1, min(DEFAULT_CALIBRATION_COUNT, len(corpus.files) - HELD_OUT_COUNT)
        ),
        benchmark_seconds=0.2 if plan.quick else 5.0,
    )
    return compile_artifact(request, Settings(data_dir=plan.results / "data"))


def null_artifact(folder: Path, *, input_size: int, images_per_second: float) -> Artifact:
    """Return an artifact for `simulated:N`: by itself it answers at once."""
    return write_simulated_artifact(
        folder, input_size=input_size, images_per_second=images_per_second
    )


def _source_digest() -> str:
    digest = hashlib.sha256()
    for package in _SOURCES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
