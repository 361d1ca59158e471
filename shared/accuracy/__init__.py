"""Accuracy: pure figures from counters, and the evaluation document made of them.

The aggregator computes, everyone else reads; nothing here touches SQL, clocks or files.
"""

from shared.accuracy.calibration import (
    CALIBRATION_BINS,
    CalibrationBin,
    calibration_bin,
    calibration_bins,
    expected_calibration_error,
)
from shared.accuracy.comparison import Answer, Flip, PairedComparison, paired_comparison
from shared.accuracy.confusion import (
    ClassFigures,
    ConfusedPair,
    ConfusionCounts,
    most_confused,
    per_class,
    worst_classes,
)
from shared.accuracy.evaluation import EvaluatedArtifact, Evaluation, build_evaluation
from shared.accuracy.intervals import Interval, paired_difference_interval, wilson_interval
from shared.accuracy.mcnemar import mcnemar_exact
from shared.accuracy.rates import Accuracy, Counts, Rate
from shared.accuracy.stages import NOT_MEASURED, WAITING_FOR_WORK, StageSeconds, bottleneck

__all__ = [
    "CALIBRATION_BINS",
    "NOT_MEASURED",
    "WAITING_FOR_WORK",
    "Accuracy",
    "Answer",
    "CalibrationBin",
    "ClassFigures",
    "ConfusedPair",
    "ConfusionCounts",
    "Counts",
    "EvaluatedArtifact",
    "Evaluation",
    "Flip",
    "Interval",
    "PairedComparison",
    "Rate",
    "StageSeconds",
    "bottleneck",
    "build_evaluation",
    "calibration_bin",
    "calibration_bins",
    "expected_calibration_error",
    "mcnemar_exact",
    "most_confused",
    "paired_comparison",
    "paired_difference_interval",
    "per_class",
    "wilson_interval",
    "worst_classes",
]
