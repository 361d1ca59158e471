"""The evaluation of a job: the document that the aggregator writes and everyone reads.

Kept as JSON in SQL. What follows from other fields (accuracy, calibration error, bottleneck) is
computed, never stored on its own, and stands in the JSON for its readers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shared.accuracy.calibration import CalibrationBin, expected_calibration_error
from shared.accuracy.confusion import (
    ClassFigures,
    ConfusedPair,
    ConfusionCounts,
    most_confused,
    per_class,
)
from shared.accuracy.rates import Accuracy, Counts
from shared.accuracy.stages import StageSeconds, bottleneck
from shared.artifact_manifest import ClassName
from shared.errors import JobError

EVALUATION_VERSION = 1
#: So many confused pairs are kept: more than anyone reads.
MOST_CONFUSED_PAIRS = 50
#: The whole confusion matrix is kept up to so many cells that are not zero (about 150 KB of JSON):
#: complete for 100 classes, and for more where the model is good.
MOST_MATRIX_CELLS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedArtifact:
    """Which compiled model made the predictions."""

    name: str
    variant: str
    digest: str
    recipe_digest: str
    precision_used: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All that is said of a job.

    `source` is the job's source as people may read it (redacted). `class_count` is the artifact's;
    `classes` names those that occur in the figures. `confusion` is None where it has more than
    10,000 cells. `failures` counts failed images by reason.
    """

    job_id: str
    state: str
    source: str
    artifact: EvaluatedArtifact
    devices: tuple[str, ...]
    random_weights: bool
    counts: Counts
    class_count: int
    classes: Mapping[int, ClassName]
    per_class: tuple[ClassFigures, ...]
    confused_pairs: tuple[ConfusedPair, ...]
    confusion: ConfusionCounts | None
    calibration: tuple[CalibrationBin, ...]
    failures: Mapping[str, int]
    images_per_second: float | None
    started_unix_seconds: float | None
    finished_unix_seconds: float | None
    stage_seconds: Mapping[str, StageSeconds]

    @property
    def accuracy(self) -> Accuracy:
        """Top-1 and top-5 over processed and over all images."""
        return Accuracy.from_counts(self.counts, class_count=self.class_count)

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error over the labelled, predicted images."""
        return expected_calibration_error(self.calibration)

    @property
    def bottleneck(self) -> str:
        """The stage that held the others up."""
        return bottleneck(self.stage_seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return the document as JSON knows it."""
        document = asdict(self)
        document["version"] = EVALUATION_VERSION
        document["counts"] = self.counts.as_dict()
        document["accuracy"] = self.accuracy.as_dict()
        document["calibration_error"] = self.calibration_error
        document["bottleneck"] = self.bottleneck
        document["devices"] = list(self.devices)
        document["classes"] = {str(i): entry.model_dump() for i, entry in self.classes.items()}
        document["per_class"] = [_class_document(entry) for entry in self.per_class]
        document["confused_pairs"] = [asdict(pair) for pair in self.confused_pairs]
        document["confusion"] = _confusion_rows(self.confusion)
        document["calibration"] = [asdict(entry) for entry in self.calibration]
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Evaluation":
        """Read what `as_dict` returned, straight or through JSON.

        Raises:
            JobError: if a newer Nestor wrote it.
        """
        if document["version"] != EVALUATION_VERSION:
            raise JobError(
                f"the evaluation of job {document['job_id']} has version {document['version']}, "
                f"this Nestor reads {EVALUATION_VERSION}: upgrade it"
            )
        fields = {name: document[name] for name in cls.__slots__}
        return cls(**{**fields, **_nested_fields(document)})


def build_evaluation(
    *, confusion: ConfusionCounts, class_names: Sequence[ClassName], **fields: Any
) -> Evaluation:
    """Make an evaluation from the artifact's classes and the job's full confusion counts.

    `fields` are those of Evaluation that do not follow from these two.
    """
    figures = per_class(confusion)
    fits = sum(1 for count in confusion.values() if count) <= MOST_MATRIX_CELLS
    return Evaluation(
        class_count=len(class_names),
        classes={entry.class_index: class_names[entry.class_index] for entry in figures},
        per_class=figures,
        confused_pairs=most_confused(confusion, limit=MOST_CONFUSED_PAIRS),
        confusion={cell: count for cell, count in confusion.items() if count} if fits else None,
        **fields,
    )


def _class_document(figures: ClassFigures) -> dict[str, Any]:
    """Return one class's figures for JSON."""
    precision, recall = figures.precision, figures.recall
    return {
        **asdict(figures),
        "precision": None if precision is None else precision.value,
        "recall": None if recall is None else recall.value,
        "f1": figures.f1,
    }


def _confusion_rows(confusion: ConfusionCounts | None) -> list[list[int]] | None:
    """Return the cells as [true, predicted, count], in order; JSON has no tuples for keys."""
    if confusion is None:
        return None
    return [[*cell, count] for cell, count in sorted(confusion.items())]


def _nested_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return those fields that are more than JSON's own values."""
    confusion: Iterable[Sequence[int]] | None = document["confusion"]
    return {
        "artifact": EvaluatedArtifact(**document["artifact"]),
        "devices": tuple(document["devices"]),
        "counts": Counts.from_dict(document["counts"]),
        "classes": {int(i): ClassName(**entry) for i, entry in document["classes"].items()},
        "per_class": tuple(
            ClassFigures(**{name: entry[name] for name in ClassFigures.__slots__})
            for entry in document["per_class"]
        ),
        "confused_pairs": tuple(ConfusedPair(**pair) for pair in document["confused_pairs"]),
        "confusion": None if confusion is None else {(t, p): n for t, p, n in confusion},
        "calibration": tuple(CalibrationBin(**entry) for entry in document["calibration"]),
        "stage_seconds": {
            name: StageSeconds(**times) for name, times in document["stage_seconds"].items()
        },
    }
