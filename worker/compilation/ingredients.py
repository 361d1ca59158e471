"""All that a compilation reads and computes before a graph is built."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.artifact_manifest import Calibration, ClassName
from shared.errors import CompileError
from worker.compilation.calibration_images import (
    HELD_OUT_COUNT,
    CalibrationImages,
    choose_images,
)
from worker.compilation.classifier import MAX_TOPK, Probabilities, expected_probabilities
from worker.compilation.request import CompileRequest, read_classes
from worker.compilation.self_test_files import SelfTestImages, collect_self_test
from worker.models.variants import find_variant
from worker.models.weights import LoadedWeights, load_weights
from worker.preprocessing.recipes import Recipe, open_recipe
from worker.progress import ProgressBars


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """`expected` is torch's fp32 answer to the self-test images, float32 (images, classes)."""

    request: CompileRequest
    recipe: Recipe
    classes: list[ClassName]
    weights: LoadedWeights
    images: CalibrationImages | None
    self_test: SelfTestImages
    expected: NDArray[np.float32]

    @property
    def topk(self) -> int:
        """How many classes the graph answers."""
        return min(MAX_TOPK, len(self.classes))

    @property
    def calibration(self) -> Calibration | None:
        """What the manifest says of int8 calibration."""
        if self.images is None or not self.images.calibration:
            return None
        return Calibration(source=self.images.source, count=len(self.images.calibration))


def gather(request: CompileRequest, bars: ProgressBars) -> Ingredients:
    """Read classes, images and weights; run torch on the self-test images.

    Raises:
        UsageError: something of it is missing or unusable; cheap things are checked first.
    """
    size = request.input_size or find_variant(request.variant).native_input_size
    recipe = open_recipe(request.recipe, size)
    classes = read_classes(request.classes_file)
    images = _choose_images(request, recipe, bars)
    with bars.download("weights") as progress:
        weights = load_weights(
            request.weights,
            request.variant,
            len(classes),
            cache_dir=request.weights_cache,
            progress=progress,
        )
    self_test = collect_self_test(recipe, images.held_out if images else ())
    with bars.step("torch fp32", total=len(self_test.pixels)) as advance:
        expected = expected_probabilities(
            Probabilities(weights.model).eval(), self_test.pixels, advance=advance
        )
    if not np.isfinite(expected).all():
        raise CompileError("the network answers with numbers that are not finite: check --weights")
    return Ingredients(
        request=request,
        recipe=recipe,
        classes=classes,
        weights=weights,
        images=images,
        self_test=self_test,
        expected=expected,
    )


def _choose_images(
    request: CompileRequest, recipe: Recipe, bars: ProgressBars
) -> CalibrationImages | None:
    if request.calibration is None:
        return None
    count = request.calibration_count if request.precision == "int8" else 0
    with bars.step("images", total=HELD_OUT_COUNT + count) as advance:
        return choose_images(request.calibration, recipe, calibration_count=count, advance=advance)
