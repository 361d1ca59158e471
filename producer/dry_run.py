"""Reads a source to its end, says what a job over it would meet, and queues nothing."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from producer.duplicates import EXACT_REFERENCES, DuplicateCount, DuplicateCounter
from producer.sources.base import Source, SourceItem
from producer.sources.uris import scheme_of
from shared.labels import LabelCounts, LabelResolver
from shared.redaction import redact_uri


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunLimits:
    """How much a dry run keeps in memory and shows."""

    places_counted: int = 10_000
    places_shown: int = 10
    problems_shown: int = 20
    duplicates_shown: int = 10
    exact_references: int = EXACT_REFERENCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A line of the source that is no reference; `line` is None where the source has no lines."""

    line: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunReport:
    """What a job over the source would meet.

    `images` counts the usable references, `unreadable` the others. `places` are the most frequent
    hosts, buckets and folders with their counts, `other_places` the images elsewhere; of more than
    `places_counted` places, those that come first in the source are told apart. `labels` is None
    where none were asked for, `estimated_seconds` where no rate is known.
    """

    images: int
    unreadable: int
    places: tuple[tuple[str, int], ...]
    other_places: int
    duplicates: DuplicateCount
    problems: tuple[Problem, ...]
    labels: LabelCounts | None
    images_per_second: float | None
    estimated_seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return asdict(self)

    def render(self) -> list[str]:
        """Return the report as lines of text."""
        lines = [f"images: {self.images:,}", *self._place_lines(), self._duplicate_line()]
        lines += [f"  again: {uri}" for uri in self.duplicates.examples]
        lines.append(f"unreadable lines: {self.unreadable:,}")
        lines += [f"  {_where(problem)}{problem.reason}" for problem in self.problems]
        if self.unreadable > len(self.problems):
            lines.append(f"  and {self.unreadable - len(self.problems):,} more")
        lines += self._label_lines()
        lines.append(f"time: {self._time_text()}")
        return [*lines, "dry run: nothing was queued"]

    def _place_lines(self) -> list[str]:
        lines = [f"  {count:,} in {place}" for place, count in self.places]
        return lines + ([f"  {self.other_places:,} elsewhere"] if self.other_places else [])

    def _duplicate_line(self) -> str:
        found = self.duplicates
        if found.is_exact:
            return f"duplicates: {found.repeated:,}"
        spread = round(1.96 * found.standard_error)
        return f"duplicates: about {found.repeated:,} (estimated from a sample, ±{spread:,})"

    def _label_lines(self) -> list[str]:
        if self.labels is None:
            return ["labels: none asked for"]
        found = self.labels
        share = f" ({found.resolved / self.images:.1%})" if self.images else ""
        return [
            f"labels: {found.resolved:,} resolved{share} in {found.classes_seen:,} classes, "
            f"{found.unresolved:,} unresolved, {found.missing:,} missing",
            *(f"  {count:,} x {text[:80]!r} is no class" for text, count in found.unresolved_texts),
            *(
                f"  {text[:80]!r} could be several classes: use ids"
                for text in found.ambiguous_texts
            ),
        ]

    def _time_text(self) -> str:
        if self.estimated_seconds is None or self.images_per_second is None:
            return "no estimate: no worker has measured a rate"
        hours, seconds = divmod(round(self.estimated_seconds), 3600)
        clock = f"{hours:,}:{seconds // 60:02}:{seconds % 60:02}"
        return f"about {clock} at {self.images_per_second:,.0f} images/s"


def dry_run(
    source: Source,
    *,
    resolver: LabelResolver | None,
    images_per_second: float | None,
    work_dir: Path,
    limits: DryRunLimits | None = None,
    progress: Callable[[int], None] | None = None,
) -> DryRunReport:
    """Read the whole source; `progress` hears the number of items read after each page.

    Raises:
        SourceError: if the source cannot be read.
    """
    limits = limits or DryRunLimits()
    tally = _Tally(resolver, limits)
    with DuplicateCounter(
        work_dir=work_dir,
        exact_references=limits.exact_references,
        examples=limits.duplicates_shown,
    ) as duplicates:
        for page in source.pages(None):
            images = tally.add(page.items)
            duplicates.add(item.uri for item in images)
            if progress is not None:
                progress(tally.images + tally.unreadable)
        return tally.report(duplicates.count(), images_per_second=images_per_second)


class _Tally:
    """Counts what is counted in memory."""

    def __init__(self, resolver: LabelResolver | None, limits: DryRunLimits) -> None:
        self.images = 0
        self.unreadable = 0
        self._resolver = resolver
        self._limits = limits
        self._places: Counter[str] = Counter()
        self._problems: list[Problem] = []

    def add(self, items: Sequence[SourceItem]) -> list[SourceItem]:
        """Count the items of a page and return the usable ones."""
        images = [item for item in items if item.problem is None]
        for item in images:
            place = place_of(item.uri)
            if place in self._places or len(self._places) < self._limits.places_counted:
                self._places[place] += 1
            if self._resolver is not None:
                self._resolver.resolve(item)
        room = self._limits.problems_shown - len(self._problems)
        bad = [item for item in items if item.problem is not None]
        self._problems += [Problem(line=one.line, reason=one.problem or "") for one in bad[:room]]
        self.images += len(images)
        self.unreadable += len(bad)
        return images

    def report(
        self, duplicates: DuplicateCount, *, images_per_second: float | None
    ) -> DryRunReport:
        """Return all counts."""
        shown = tuple(self._places.most_common(self._limits.places_shown))
        return DryRunReport(
            images=self.images,
            unreadable=self.unreadable,
            places=shown,
            other_places=self.images - sum(count for _, count in shown),
            duplicates=duplicates,
            problems=tuple(self._problems),
            labels=None if self._resolver is None else self._resolver.counts(),
            images_per_second=images_per_second,
            estimated_seconds=self.images / images_per_second if images_per_second else None,
        )


def place_of(uri: str) -> str:
    """Return the host, bucket or folder of an image, without secrets."""
    scheme = scheme_of(uri)
    if scheme is None:
        return str(Path(uri).parent)
    authority = redact_uri(uri).split("://", 1)[1].partition("/")[0]
    return f"{scheme}://{authority}"


def _where(problem: Problem) -> str:
    return "" if problem.line is None else f"line {problem.line:,}: "
