"""The gate: a compiled graph is kept only if it answers as torch does in fp32.

The judgement is a pure function of a comparison; the numbers of its table were chosen from
measurements of the demo model and of random networks (see the comments).
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from shared.artifact_manifest import Precision
from shared.errors import CompileError
from worker.devices.self_test import Comparison

#: Only images whose two best classes are this far apart count for flips.
CLEAR_MARGIN = 0.02
#: Fewer clear images than this prove nothing.
LEAST_CLEAR_IMAGES = 50


class Verdict(StrEnum):
    """What the gate says of one of its two questions."""

    PASS = "PASS"  # noqa: S105 a verdict, not a password
    FAIL = "FAIL"
    INVALID = "INVALID"
    NOT_APPLICABLE = "NOT APPLICABLE"
    NOT_MEASURED = "NOT MEASURED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What a precision may cost: drift of probabilities, and flips as a share of clear images.

    `max_drift` is for the worst image, `max_median_drift` for the typical one.

    `margin` is what a worker's self-test calls clear: it must hold on other processors too.
    """

    max_drift: float
    max_median_drift: float
    max_flip_share: float
    margin: float


#: fp32 differs by the order of additions (measured: 8e-6). fp16 is bfloat16 on processors that
#: lack fp16: 8 bits of mantissa (measured: 0.024). int8 moves a single unclear image far (measured
#: on random networks: 0.53 at worst, 0.04 in the median), so the median is what shows a broken
#: one, and the share of flips is what judges its accuracy.
TOLERANCES: dict[Precision, Tolerance] = {
    "fp32": Tolerance(max_drift=0.001, max_median_drift=0.0001, max_flip_share=0.0, margin=0.001),
    "fp16": Tolerance(max_drift=0.1, max_median_drift=0.02, max_flip_share=0.02, margin=0.02),
    "int8": Tolerance(max_drift=0.75, max_median_drift=0.1, max_flip_share=0.05, margin=0.02),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """Both questions, their figures and limits; `accuracy_note` says why one was not asked."""

    images: int
    drift: Verdict
    largest_drift: float
    max_drift: float
    median_drift: float
    max_median_drift: float
    accuracy: Verdict
    accuracy_note: str
    clear_images: int
    flips: int
    max_flip_share: float
    clear_margin: float = CLEAR_MARGIN

    @property
    def passed(self) -> bool:
        """Whether the artifact may be kept."""
        return self.drift is Verdict.PASS and self.accuracy not in {Verdict.FAIL, Verdict.INVALID}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the manifest and for JSON."""
        return asdict(self) | {"passed": self.passed}


def judge(
    comparison: Comparison,
    tolerance: Tolerance,
    *,
    has_calibration_source: bool,
    random_weights: bool,
) -> GateReport:
    """Judge a comparison that was made with `CLEAR_MARGIN`."""
    accuracy, note = _judge_accuracy(
        comparison,
        tolerance,
        has_calibration_source=has_calibration_source,
        random_weights=random_weights,
    )
    within = (
        comparison.largest_drift <= tolerance.max_drift
        and comparison.median_drift <= tolerance.max_median_drift
    )
    return GateReport(
        images=comparison.images,
        drift=Verdict.PASS if within else Verdict.FAIL,
        largest_drift=comparison.largest_drift,
        max_drift=tolerance.max_drift,
        median_drift=comparison.median_drift,
        max_median_drift=tolerance.max_median_drift,
        accuracy=accuracy,
        accuracy_note=note,
        clear_images=comparison.compared,
        flips=comparison.flips,
        max_flip_share=tolerance.max_flip_share,
    )


def require_pass(report: GateReport) -> None:
    """Refuse an artifact whose report is not a pass.

    Raises:
        CompileError: naming each figure that is over its limit.
    """
    if report.passed:
        return
    reasons = []
    if report.drift is Verdict.FAIL:
        reasons.append(
            f"probabilities drift by {report.largest_drift:.4g} at worst (limit "
            f"{report.max_drift:.4g}) and {report.median_drift:.4g} in the median (limit "
            f"{report.max_median_drift:.4g})"
        )
    if report.accuracy in {Verdict.FAIL, Verdict.INVALID}:
        reasons.append(f"accuracy {report.accuracy}: {report.accuracy_note}")
    raise CompileError(
        f"the compiled graph misses the gate, nothing was kept: {'; '.join(reasons)}"
    )


def _judge_accuracy(
    comparison: Comparison,
    tolerance: Tolerance,
    *,
    has_calibration_source: bool,
    random_weights: bool,
) -> tuple[Verdict, str]:
    if random_weights:
        return Verdict.NOT_APPLICABLE, "random weights say nothing of images: only drift is gated"
    if not has_calibration_source:
        return Verdict.NOT_MEASURED, "no --calibration source was given: only drift is gated"
    if comparison.compared < LEAST_CLEAR_IMAGES:
        return Verdict.INVALID, (
            f"only {comparison.compared} images have a margin above {CLEAR_MARGIN}, "
            f"{LEAST_CLEAR_IMAGES} are needed: calibrate with images of the model's classes"
        )
    text = f"{comparison.flips} of {comparison.compared} clear images get another class"
    most = tolerance.max_flip_share * comparison.compared
    if comparison.flips > most:
        return Verdict.FAIL, f"{text} (limit {tolerance.max_flip_share:.0%})"
    return Verdict.PASS, text
