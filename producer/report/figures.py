"""What a report shows of an evaluation, before it is text or a page."""

from collections.abc import Iterator
from dataclasses import dataclass

from producer.report.wording import count, percent, printable
from shared.accuracy import (
    NOT_MEASURED,
    WAITING_FOR_WORK,
    ClassFigures,
    Evaluation,
    PairedComparison,
    Rate,
    worst_classes,
)
from shared.errors import ImageError

#: A job in one of these states is over and covers its whole source.
_COMPLETE_STATES = frozenset({"completed", "completed_with_errors"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A wrong answer worth looking at; `thumbnail_jpeg` is None where none was kept."""

    index: int
    uri_redacted: str
    true_name: str
    predicted_name: str
    probability: float
    thumbnail_jpeg: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineComparison:
    """How the job compares with `job_id`."""

    job_id: str
    figures: PairedComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """One accuracy figure with what it is over; `absence` says why there is none."""

    name: str
    over: str
    rate: Rate | None
    absence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class with its names."""

    title: str
    id: str
    figures: ClassFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """One reason: how many images failed by it, their share of all rows, what it means."""

    reason: str
    count: int
    share: float
    meaning: str


def class_title(evaluation: Evaluation, index: int) -> str:
    """Return the name of a class for people: its name, else its id, else its index."""
    known = evaluation.classes.get(index)
    return printable(known.name or known.id) if known else f"class {index}"


def class_rows(evaluation: Evaluation, *, limit: int) -> tuple[ClassRow, ...]:
    """Return the worst classes, the worst first."""
    return tuple(
        ClassRow(
            title=class_title(evaluation, figures.class_index),
            id=printable(evaluation.classes[figures.class_index].id),
            figures=figures,
        )
        for figures in worst_classes(evaluation.per_class, limit=limit)
    )


def accuracy_rows(evaluation: Evaluation) -> tuple[AccuracyRow, ...]:
    """Return the four figures in the order in which they are read."""
    accuracy = evaluation.accuracy
    processed, everything = "processed images", "all labelled images"
    rows = (
        ("Top-1", processed, accuracy.top1),
        ("Top-5", processed, accuracy.top5),
        ("Top-1", everything, accuracy.top1_over_all),
        ("Top-5", everything, accuracy.top5_over_all),
    )
    return tuple(
        AccuracyRow(name=name, over=over, rate=rate, absence=_absence(evaluation, name))
        for name, over, rate in rows
    )


def _absence(evaluation: Evaluation, name: str) -> str:
    if name == "Top-5" and evaluation.accuracy.is_known:
        return "fewer than five classes"
    return "no labelled image was predicted"


def failure_rows(evaluation: Evaluation) -> tuple[FailureRow, ...]:
    """Return the reasons, the most frequent first."""
    meanings = dict(_meanings(ImageError))
    rows = sorted(evaluation.failures.items(), key=lambda item: (-item[1], item[0]))
    processed = evaluation.counts.processed
    return tuple(
        FailureRow(
            reason=printable(reason),
            count=number,
            share=number / processed if processed else 0.0,
            meaning=meanings.get(reason, ""),
        )
        for reason, number in rows
    )


def _meanings(kind: type[ImageError]) -> Iterator[tuple[str, str]]:
    """Yield each reason code with the sentence of its class in shared/errors.py."""
    for error in kind.__subclasses__():
        yield error.reason, (error.__doc__ or "").replace("`", "").partition("\n")[0]
        yield from _meanings(error)


def notices(evaluation: Evaluation) -> tuple[str, ...]:
    """Return what a reader must know before any figure."""
    counts = evaluation.counts
    texts = []
    if evaluation.random_weights:
        texts.append(
            "The weights of this model are random. Its accuracy is not applicable: "
            "what follows tells how fast it ran, and nothing about images."
        )
    if counts.labelled == 0:
        texts.append(
            "Accuracy is not available: no image has a known true class. "
            "Submit the job with --labels to get it."
        )
    elif counts.predicted_labelled == 0:
        texts.append("Accuracy is not available: every labelled image failed.")
    if evaluation.state not in _COMPLETE_STATES:
        total = f" of {count(counts.total)}" if counts.total is not None else ""
        texts.append(
            f"The job is {printable(evaluation.state)}: these figures cover "
            f"{count(counts.processed)}{total} images."
        )
    return tuple(texts)


def bottleneck_sentence(evaluation: Evaluation) -> str:
    """Say in one sentence what to speed up first."""
    stage = evaluation.bottleneck
    if stage == NOT_MEASURED:
        return "No stage times were recorded."
    if stage == WAITING_FOR_WORK:
        return "Every stage mostly waited: work arrived too slowly."
    share = percent(evaluation.stage_seconds[stage].busy_share, 0)
    return f"The bottleneck is {printable(stage)}: at work for {share} of its time."


def elapsed_seconds(evaluation: Evaluation) -> float | None:
    """Return how long the job took, if it began and ended."""
    started, finished = evaluation.started_unix_seconds, evaluation.finished_unix_seconds
    return None if started is None or finished is None else finished - started
