"""A job against a baseline on the very same images: what became wrong, what became right.

Two images are the same when their key and the sha256 of their bytes agree. Both sides stream in,
ordered by key; memory holds only the examples that are listed.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from shared.accuracy.intervals import Interval, paired_difference_interval
from shared.accuracy.mcnemar import mcnemar_exact
from shared.accuracy.rates import Rate, rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one job said of one image.

    `key` is the caller's id, or the URI where there is none; `label` and `predicted` are class
    indices, `predicted` is None where the image failed.
    """

    key: str
    input_sha256: str | None
    label: int | None
    predicted: int | None
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An image on which exactly one of the two jobs is right."""

    key: str
    label: int
    baseline_predicted: int
    candidate_predicted: int
    candidate_probability: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """A candidate against a baseline over the images that both predicted.

    `left_out` counts, by reason, the images that could not be compared: `only_in_baseline`,
    `only_in_candidate`, `failed_in_baseline`, `failed_in_candidate`, `input_differs` (or its
    digest is unknown), `unlabelled`, `label_differs`. The lists of flips hold the candidate's most
    confident answers, up to the asked number.
    """

    both_right: int
    newly_wrong: int
    newly_right: int
    both_wrong: int
    left_out: Mapping[str, int]
    newly_wrong_images: tuple[Flip, ...]
    newly_right_images: tuple[Flip, ...]

    @property
    def compared(self) -> int:
        """How many images the figures are over."""
        return self.both_right + self.newly_wrong + self.newly_right + self.both_wrong

    @property
    def baseline(self) -> Rate | None:
        """The baseline's top-1 over the compared images."""
        return rate(self.both_right + self.newly_wrong, self.compared)

    @property
    def candidate(self) -> Rate | None:
        """The candidate's top-1 over the compared images."""
        return rate(self.both_right + self.newly_right, self.compared)

    @property
    def difference(self) -> float | None:
        """Top-1 of the candidate minus that of the baseline: negative is worse."""
        return (self.newly_right - self.newly_wrong) / self.compared if self.compared else None

    @property
    def difference_interval(self) -> Interval | None:
        """The 95 % interval of the difference, Newcombe's for paired data."""
        if not self.compared:
            return None
        return paired_difference_interval(
            self.both_right, self.newly_wrong, self.newly_right, self.both_wrong
        )

    @property
    def p_value(self) -> float:
        """McNemar's exact p: how likely so uneven a change is if nothing changed."""
        return mcnemar_exact(self.newly_wrong, self.newly_right)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, and the figures that follow from it, for JSON."""
        interval = self.difference_interval
        return {
            **asdict(self),
            "compared": self.compared,
            "baseline_top1": self.baseline.value if self.baseline else None,
            "candidate_top1": self.candidate.value if self.candidate else None,
            "difference": self.difference,
            "difference_interval": list(interval) if interval else None,
            "p_value": self.p_value,
        }


def paired_comparison(
    baseline: Iterable[Answer], candidate: Iterable[Answer], *, max_listed: int = 100
) -> PairedComparison:
    """Compare two jobs whose answers come ordered by key (by code points: SQL's "C" collation).

    Raises:
        ValueError: if a key comes before one that sorts after it.
    """
    cells: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    newly_wrong, newly_right = _FlipList(max_listed), _FlipList(max_listed)
    for old, new in _matched(baseline, candidate, left_out):
        pair = _compared(old, new)
        if isinstance(pair, str):
            left_out[pair] += 1
            continue
        was_right = pair.baseline_predicted == pair.label
        is_right = pair.candidate_predicted == pair.label
        cells[_CELLS[was_right, is_right]] += 1
        if was_right != is_right:
            (newly_right if is_right else newly_wrong).add(pair)
    return PairedComparison(
        both_right=cells["both_right"],
        newly_wrong=cells["newly_wrong"],
        newly_right=cells["newly_right"],
        both_wrong=cells["both_wrong"],
        left_out={reason: left_out[reason] for reason in sorted(left_out) if left_out[reason]},
        newly_wrong_images=newly_wrong.most_confident(),
        newly_right_images=newly_right.most_confident(),
    )


_CELLS = {
    (True, True): "both_right",
    (True, False): "newly_wrong",
    (False, True): "newly_right",
    (False, False): "both_wrong",
}


def _compared(old: Answer, new: Answer) -> Flip | str:
    """Put two answers of one key beside each other, or say why they cannot be compared."""
    if old.predicted is None:
        return "failed_in_baseline"
    if new.predicted is None:
        return "failed_in_candidate"
    if old.input_sha256 is None or old.input_sha256 != new.input_sha256:
        return "input_differs"
    if old.label != new.label:
        return "label_differs"
    if old.label is None:
        return "unlabelled"
    return Flip(
        key=old.key,
        label=old.label,
        baseline_predicted=old.predicted,
        candidate_predicted=new.predicted,
        candidate_probability=new.probability,
    )


def _matched(
    baseline: Iterable[Answer], candidate: Iterable[Answer], left_out: Counter[str]
) -> Iterator[tuple[Answer, Answer]]:
    """Yield the answers whose key is on both sides; repeated keys pair up one to one."""
    olds, news = _ordered(baseline), _ordered(candidate)
    old, new = next(olds, None), next(news, None)
    while old is not None and new is not None:
        if old.key == new.key:
            yield old, new
            old, new = next(olds, None), next(news, None)
        elif old.key < new.key:
            left_out["only_in_baseline"] += 1
            old = next(olds, None)
        else:
            left_out["only_in_candidate"] += 1
            new = next(news, None)
    left_out["only_in_baseline"] += (old is not None) + sum(1 for _ in olds)
    left_out["only_in_candidate"] += (new is not None) + sum(1 for _ in news)


def _ordered(answers: Iterable[Answer]) -> Iterator[Answer]:
    """Pass answers on, and refuse those that are not in order."""
    last = ""
    for answer in answers:
        if answer.key < last:
            raise ValueError(f"answers must come ordered by key: {answer.key!r} after {last!r}")
        last = answer.key
        yield answer


class _FlipList:
    """The flips with the candidate's highest probabilities, at most so many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[float, int, Flip]] = []
        self._seen = 0

    def add(self, flip: Flip) -> None:
        """Take a flip in, and let the least confident go when there are too many."""
        self._seen += 1
        heapq.heappush(self._heap, (flip.candidate_probability or 0.0, -self._seen, flip))
        if len(self._heap) > self._limit:
            heapq.heappop(self._heap)

    def most_confident(self) -> tuple[Flip, ...]:
        """Return them, the most confident first, then in the order in which they came."""
        return tuple(flip for *_, flip in sorted(self._heap, reverse=True))
