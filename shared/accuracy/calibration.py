"""How well the probability of the first answer matches how often it is right."""

from collections.abc import Iterable
from dataclasses import dataclass

#: Equal-width bins over the probability of the first answer, as is usual for this error.
CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """The labelled images whose top-1 probability falls into one bin."""

    count: int
    sum_confidence: float
    correct: int


EMPTY_BIN = CalibrationBin(count=0, sum_confidence=0.0, correct=0)


def calibration_bin(confidence: float) -> int:
    """Return the bin (0-based) of a probability: its floor in steps of 1/15; 1.0 is in the last.

    SQL that groups by bin must floor too: PostgreSQL's cast to integer rounds.
    """
    return min(max(int(confidence * CALIBRATION_BINS), 0), CALIBRATION_BINS - 1)


def calibration_bins(answers: Iterable[tuple[float, bool]]) -> tuple[CalibrationBin, ...]:
    """Sort (top-1 probability, whether it was right) into bins."""
    counts = [0] * CALIBRATION_BINS
    sums = [0.0] * CALIBRATION_BINS
    corrects = [0] * CALIBRATION_BINS
    for confidence, is_correct in answers:
        place = calibration_bin(confidence)
        counts[place] += 1
        sums[place] += confidence
        corrects[place] += is_correct
    return tuple(
        CalibrationBin(count=count, sum_confidence=total, correct=correct)
        for count, total, correct in zip(counts, sums, corrects, strict=True)
    )


def expected_calibration_error(bins: Iterable[CalibrationBin]) -> float | None:
    """Return the mean over images of |accuracy - mean confidence| of their bin; None without any.

    Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    images, gap = 0, 0.0
    for entry in bins:
        images += entry.count
        gap += abs(entry.correct - entry.sum_confidence)
    return gap / images if images else None
