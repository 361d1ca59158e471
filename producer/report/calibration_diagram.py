"""Geometry of the calibration diagram: how often the model is right against how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.accuracy import CalibrationBin, wilson_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The plot's box inside the drawing, in its units; the strip below tells where images are."""

    left: float = 44.0
    top: float = 10.0
    size: float = 300.0
    strip_top: float = 318.0
    strip_height: float = 44.0


PLOT = Plot()
_GAP = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bin that holds images, placed in the drawing."""

    x: float
    width: float
    middle: float
    accuracy_y: float
    confidence_y: float
    whisker_top_y: float
    whisker_bottom_y: float
    strip_y: float
    strip_height: float
    low: float
    high: float
    accuracy: float
    confidence: float
    count: int


def bars(bins: Sequence[CalibrationBin]) -> tuple[Bar, ...]:
    """Place every bin that holds images."""
    fullest = max((entry.count for entry in bins), default=0)
    return tuple(
        _bar(place, entry, bin_count=len(bins), fullest=fullest)
        for place, entry in enumerate(bins)
        if entry.count
    )


def _bar(place: int, entry: CalibrationBin, *, bin_count: int, fullest: int) -> Bar:
    width = PLOT.size / bin_count
    left = PLOT.left + place * width
    whisker_low, whisker_high = wilson_interval(entry.correct, entry.count)
    accuracy, confidence = entry.correct / entry.count, entry.sum_confidence / entry.count
    strip_height = max(1.0, PLOT.strip_height * entry.count / fullest)
    return Bar(
        x=left + _GAP / 2,
        width=width - _GAP,
        middle=left + width / 2,
        accuracy_y=_height(accuracy),
        confidence_y=_height(confidence),
        whisker_top_y=_height(whisker_high),
        whisker_bottom_y=_height(whisker_low),
        strip_y=PLOT.strip_top + PLOT.strip_height - strip_height,
        strip_height=strip_height,
        low=place / bin_count,
        high=(place + 1) / bin_count,
        accuracy=accuracy,
        confidence=confidence,
        count=entry.count,
    )


def _height(share: float) -> float:
    """Return the y of a share: 0 at the bottom of the plot, 1 at its top."""
    return PLOT.top + PLOT.size * (1 - share)
