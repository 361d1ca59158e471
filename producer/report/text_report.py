"""The report on a terminal: what matters of an evaluation in about forty lines."""

from producer.report import wording
from producer.report.figures import (
    BaselineComparison,
    accuracy_rows,
    bottleneck_sentence,
    class_rows,
    class_title,
    elapsed_seconds,
    failure_rows,
    notices,
)
from shared.accuracy import Evaluation, Rate

#: So many classes, pairs and reasons are named; the page and the JSON have more.
LISTED = 5


def render_text(
    evaluation: Evaluation, *, comparison: BaselineComparison | None = None
) -> list[str]:
    """Return the lines of the report, without colours or ends of line."""
    sections = [
        _heading(evaluation),
        [f"! {notice}" for notice in notices(evaluation)],
        _accuracy(evaluation),
        _images(evaluation),
        _comparison(comparison) if comparison else [],
        _classes(evaluation),
        _pairs(evaluation),
        _failures(evaluation),
        _speed(evaluation),
        _provenance(evaluation),
    ]
    lines: list[str] = []
    for section in filter(None, sections):
        lines += ["", *section] if lines else section
    return [wording.harmless(line) for line in lines]


def _heading(evaluation: Evaluation) -> list[str]:
    artifact = wording.printable(evaluation.artifact.name)
    return [
        f"{artifact} on {wording.printable(evaluation.source)}",
        f"job {evaluation.job_id}, {evaluation.state}",
    ]


def _accuracy(evaluation: Evaluation) -> list[str]:
    lines = []
    for row in accuracy_rows(evaluation):
        title = f"{row.name} over {row.over}"
        if row.rate is None:
            lines.append(f"{title:<31}{wording.NOTHING:>9}  {row.absence}")
            continue
        interval = wording.percent_interval(row.rate.interval)
        share = f"{wording.count(row.rate.correct)} of {wording.count(row.rate.total)}"
        lines.append(f"{title:<31}{wording.percent(row.rate.value):>9}  [{interval}]  {share}")
    if evaluation.calibration_error is not None:
        error = wording.percent(evaluation.calibration_error)
        lines.append(f"{'Expected calibration error':<31}{error:>9}")
    lines.append("Intervals are 95 % (Wilson). A labelled image that failed is wrong in the last.")
    return lines


def _images(evaluation: Evaluation) -> list[str]:
    counts = evaluation.counts
    return [
        f"Images: {wording.count(counts.total)} listed, {wording.count(counts.predicted)} "
        f"predicted, {wording.count(counts.failed)} failed; {wording.count(counts.labelled)} "
        f"labelled, {wording.count(counts.unlabelled)} unlabelled"
    ]


def _comparison(comparison: BaselineComparison) -> list[str]:
    figures = comparison.figures
    left_out = ", ".join(f"{reason} {number:,}" for reason, number in figures.left_out.items())
    return [
        f"Against job {comparison.job_id}, on {wording.count(figures.compared)} images of both:",
        f"  top-1 changed by {wording.points(figures.difference)} "
        f"[{wording.points_interval(figures.difference_interval)}], "
        f"McNemar {wording.p_value(figures.p_value)}",
        f"  newly wrong {wording.count(figures.newly_wrong)}, "
        f"newly right {wording.count(figures.newly_right)}",
        *([f"  not compared: {left_out}"] if left_out else []),
    ]


def _classes(evaluation: Evaluation) -> list[str]:
    rows = class_rows(evaluation, limit=LISTED)
    if not rows:
        return []
    lines = [f"{'Worst classes':<31}{'recall':>9}{'precision':>11}{'F1':>9}{'images':>10}"]
    for row in rows:
        recall, precision = row.figures.recall, row.figures.precision
        lines.append(
            f"  {_cut(row.title, 28):<29}{_share(recall):>9}"
            f"{_share(precision):>11}"
            f"{wording.percent(row.figures.f1, 1):>9}{wording.count(row.figures.support):>10}"
        )
    return lines


def _pairs(evaluation: Evaluation) -> list[str]:
    lines = [
        f"  {wording.count(pair.count):>7}  {class_title(evaluation, pair.true_index)}"
        f" called {class_title(evaluation, pair.predicted_index)}"
        for pair in evaluation.confused_pairs[:LISTED]
    ]
    return ["Most confused", *lines] if lines else []


def _failures(evaluation: Evaluation) -> list[str]:
    rows = failure_rows(evaluation)
    lines = [
        f"  {wording.count(row.count):>7}  {row.reason:<22} {row.meaning}".rstrip()
        for row in rows[:LISTED]
    ]
    if len(rows) > LISTED:
        lines.append(f"  and {len(rows) - LISTED} more reasons")
    return ["Failures", *lines] if lines else []


def _speed(evaluation: Evaluation) -> list[str]:
    rate = wording.rate_per_second(evaluation.images_per_second)
    took = wording.duration(elapsed_seconds(evaluation))
    return [f"Speed: {rate} images/s, {took}. {bottleneck_sentence(evaluation)}"]


def _provenance(evaluation: Evaluation) -> list[str]:
    artifact = evaluation.artifact
    devices = ", ".join(map(wording.printable, evaluation.devices)) or wording.NOTHING
    return [
        f"Artifact {artifact.digest}",
        f"Recipe   {artifact.recipe_digest}",
        f"{artifact.variant}, {artifact.precision_used}, on {devices}; "
        f"{wording.utc(evaluation.started_unix_seconds)} to "
        f"{wording.utc(evaluation.finished_unix_seconds)}",
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _share(rate: Rate | None) -> str:
    return wording.percent(None if rate is None else rate.value, 1)
