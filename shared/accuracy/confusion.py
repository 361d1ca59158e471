"""Per class figures and confused pairs, from sparse confusion counts (true, predicted) -> images.

Classes are indices; only images with both a label and a prediction are counted here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.accuracy.rates import Rate, rate

#: (true class index, predicted class index) -> how many images.
ConfusionCounts = Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """How one class fared.

    `support` images truly are of it, `predicted` were called it, `correct` are in both.
    """

    class_index: int
    support: int
    predicted: int
    correct: int

    @property
    def recall(self) -> Rate | None:
        """Of the images of this class, those that were called so; None without any."""
        return rate(self.correct, self.support)

    @property
    def precision(self) -> Rate | None:
        """Of the images called so, those that are of this class; None without any."""
        return rate(self.correct, self.predicted)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where the class never occurs."""
        occurrences = self.support + self.predicted
        return 2 * self.correct / occurrences if occurrences else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    """So many images of class `true_index` were called `predicted_index`."""

    true_index: int
    predicted_index: int
    count: int


def per_class(confusion: ConfusionCounts) -> tuple[ClassFigures, ...]:
    """Return the figures of every class that occurs, true or predicted, in index order."""
    support: Counter[int] = Counter()
    predicted: Counter[int] = Counter()
    for (true_index, predicted_index), count in confusion.items():
        support[true_index] += count
        predicted[predicted_index] += count
    return tuple(
        ClassFigures(
            class_index=index,
            support=support[index],
            predicted=predicted[index],
            correct=confusion.get((index, index), 0),
        )
        for index in sorted(support.keys() | predicted.keys())
        if support[index] + predicted[index]
    )


def most_confused(confusion: ConfusionCounts, *, limit: int) -> tuple[ConfusedPair, ...]:
    """Return the wrong pairs with the most images, the most frequent first."""
    wrong = [
        ConfusedPair(true_index=true_index, predicted_index=predicted_index, count=count)
        for (true_index, predicted_index), count in confusion.items()
        if true_index != predicted_index and count
    ]
    wrong.sort(key=lambda pair: (-pair.count, pair.true_index, pair.predicted_index))
    return tuple(wrong[:limit])


def worst_classes(figures: Iterable[ClassFigures], *, limit: int) -> tuple[ClassFigures, ...]:
    """Return the classes that are surely bad, the worst first.

    Ordered by the upper end of the 95 % interval of recall, so that one unlucky image does not
    put a rare class before a class that fails every day. Classes without images are left out.
    """
    ranked = [
        (recall.interval[1], recall.value, entry.class_index, entry)
        for entry in figures
        if (recall := entry.recall) is not None
    ]
    return tuple(entry for *_, entry in sorted(ranked, key=lambda row: row[:3])[:limit])
