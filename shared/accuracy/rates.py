"""Top-1 and top-5 accuracy from counters, with honest denominators."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from shared.accuracy.intervals import Interval, wilson_interval

#: Top-5 says nothing where there are fewer classes than this.
FEWEST_CLASSES_FOR_TOP5 = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted over the rows of a job.

    `total` is the number of references listed (None until listing ends); `predicted` and `failed`
    are the rows that got a prediction and those that got a reason instead; `labelled` the rows of
    either kind whose true class is known; `predicted_labelled` those of them with a prediction;
    `top1_correct` and `top5_correct` those whose true class ranks first, or among the first five.
    A reference without a row yet (the job runs, or was cancelled) is in `total` only.

    Raises:
        ValueError: if the counters contradict each other.
    """

    total: int | None
    predicted: int
    failed: int
    labelled: int
    predicted_labelled: int
    top1_correct: int
    top5_correct: int

    def __post_init__(self) -> None:
        agree = (
            0 <= self.top1_correct <= self.top5_correct <= self.predicted_labelled
            and self.predicted_labelled <= min(self.labelled, self.predicted)
            and 0 <= self.labelled - self.predicted_labelled <= self.failed
            and (self.total is None or self.processed <= self.total)
        )
        if not agree:
            raise ValueError(f"these counters contradict each other: {asdict(self)}")

    @property
    def processed(self) -> int:
        """Rows written so far, good or bad."""
        return self.predicted + self.failed

    @property
    def unlabelled(self) -> int:
        """Rows whose true class is not known: in no accuracy figure."""
        return self.processed - self.labelled

    @property
    def failed_labelled(self) -> int:
        """Rows that failed though their true class is known: wrong in the figures "over all"."""
        return self.labelled - self.predicted_labelled

    def as_dict(self) -> dict[str, int | None]:
        """Return the counters, and the two that follow from them, for JSON."""
        return {**asdict(self), "unlabelled": self.unlabelled}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Counts":
        """Read what `as_dict` returned."""
        return cls(**{name: document[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of something counted, which keeps what it was counted over.

    Raises:
        ValueError: if nothing was counted, or more were correct than counted.
    """

    correct: int
    total: int

    def __post_init__(self) -> None:
        if self.total <= 0 or not 0 <= self.correct <= self.total:
            raise ValueError(f"{self.correct} of {self.total} is no rate")

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.correct / self.total

    @property
    def interval(self) -> Interval:
        """The 95 % Wilson interval."""
        return wilson_interval(self.correct, self.total)


def rate(correct: int, total: int) -> Rate | None:
    """Return the rate, or None where nothing was counted."""
    return Rate(correct=correct, total=total) if total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Top-1 and top-5, each over two sets of images.

    `top1` and `top5`: over processed images, correct / (labelled and predicted). `..._over_all`:
    correct / labelled, where a labelled image that failed counts as wrong. Unlabelled images are
    in neither: their number stands beside the figures, in the counts. A figure is None where its
    denominator is zero; top-5 is None too where there are fewer than five classes.
    """

    top1: Rate | None
    top5: Rate | None
    top1_over_all: Rate | None
    top5_over_all: Rate | None

    @classmethod
    def from_counts(cls, counts: Counts, *, class_count: int) -> "Accuracy":
        """Compute the four figures."""
        has_top5 = class_count >= FEWEST_CLASSES_FOR_TOP5
        processed, everything = counts.predicted_labelled, counts.labelled
        return cls(
            top1=rate(counts.top1_correct, processed),
            top5=rate(counts.top5_correct, processed) if has_top5 else None,
            top1_over_all=rate(counts.top1_correct, everything),
            top5_over_all=rate(counts.top5_correct, everything) if has_top5 else None,
        )

    @property
    def is_known(self) -> bool:
        """Whether any image told something about accuracy."""
        return self.top1 is not None

    def as_dict(self) -> dict[str, float | list[float] | None]:
        """Return the figures and their 95 % intervals for JSON."""
        document: dict[str, float | list[float] | None] = {}
        for name in self.__slots__:
            figure: Rate | None = getattr(self, name)
            document[name] = None if figure is None else figure.value
            document[f"{name}_interval"] = None if figure is None else list(figure.interval)
        return document
