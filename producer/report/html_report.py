"""The report as one self-contained page: no script, no request, every foreign text escaped."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from producer.report import calibration_diagram, wording
from producer.report.figures import (
    BaselineComparison,
    Mistake,
    accuracy_rows,
    bottleneck_sentence,
    class_rows,
    class_title,
    elapsed_seconds,
    failure_rows,
    notices,
)
from producer.result_row import redacted_id
from shared.accuracy import Evaluation

#: More classes, pairs and pictures than this are not read; the JSON report has every class.
MOST_CLASSES, MOST_PAIRS, MOST_MISTAKES = 30, 20, 60
#: The matrix is drawn for at most so many classes: it still fits a screen.
MOST_MATRIX_CLASSES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _PairRow:
    true_title: str
    predicted_title: str
    count: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    count: int
    share: float
    is_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _MatrixRow:
    title: str
    cells: tuple[_Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matrix:
    titles: tuple[str, ...]
    rows: tuple[_MatrixRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    index: int
    uri: str
    true_name: str
    predicted_name: str
    probability: float
    thumbnail: str | None


def render_html(
    evaluation: Evaluation,
    mistakes: Sequence[Mistake],
    *,
    comparison: BaselineComparison | None = None,
) -> str:
    """Return the page; of the mistakes it shows the 60 most confident."""
    return (
        _environment()
        .get_template("report.html")
        .render(
            evaluation=evaluation,
            comparison=comparison,
            notices=notices(evaluation),
            accuracy_rows=accuracy_rows(evaluation),
            class_rows=class_rows(evaluation, limit=MOST_CLASSES),
            labelled_classes=sum(1 for entry in evaluation.per_class if entry.support),
            class_title=partial(class_title, evaluation),
            pair_rows=_pair_rows(evaluation),
            matrix=_matrix(evaluation),
            bars=calibration_diagram.bars(evaluation.calibration),
            plot=calibration_diagram.PLOT,
            mistakes=_pictures(mistakes),
            failure_rows=failure_rows(evaluation),
            stage_rows=_stage_rows(evaluation),
            bottleneck_sentence=bottleneck_sentence(evaluation),
            elapsed_seconds=elapsed_seconds(evaluation),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: files(__package__).joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (
        wording.percent,
        wording.percent_interval,
        wording.points,
        wording.points_interval,
        wording.p_value,
        wording.count,
        wording.rate_per_second,
        wording.duration,
        wording.utc,
        wording.printable,
    )
    environment.filters.update({word.__name__: word for word in words})
    environment.filters["redacted"] = redacted_id
    return environment


def _pair_rows(evaluation: Evaluation) -> tuple[_PairRow, ...]:
    support = {entry.class_index: entry.support for entry in evaluation.per_class}
    return tuple(
        _PairRow(
            true_title=class_title(evaluation, pair.true_index),
            predicted_title=class_title(evaluation, pair.predicted_index),
            count=pair.count,
            share=pair.count / support[pair.true_index],
        )
        for pair in evaluation.confused_pairs[:MOST_PAIRS]
    )


def _matrix(evaluation: Evaluation) -> _Matrix | None:
    """Lay the confusion counts out, where they are known and few enough to be read."""
    figures, confusion = evaluation.per_class, evaluation.confusion
    if confusion is None or not 1 < len(figures) <= MOST_MATRIX_CLASSES:
        return None
    titles = tuple(class_title(evaluation, entry.class_index) for entry in figures)
    rows = []
    for title, true in zip(titles, figures, strict=True):
        counts = [confusion.get((true.class_index, column.class_index), 0) for column in figures]
        cells = tuple(
            _Cell(
                count=count,
                share=count / true.support if true.support else 0.0,
                is_right=column.class_index == true.class_index,
            )
            for count, column in zip(counts, figures, strict=True)
        )
        rows.append(_MatrixRow(title=title, cells=cells))
    return _Matrix(titles=titles, rows=tuple(rows))


def _pictures(mistakes: Sequence[Mistake]) -> list[_Picture]:
    most_confident = sorted(mistakes, key=lambda entry: (-entry.probability, entry.index))
    return [
        _Picture(
            index=mistake.index,
            uri=wording.printable(mistake.uri_redacted),
            true_name=wording.printable(mistake.true_name),
            predicted_name=wording.printable(mistake.predicted_name),
            probability=mistake.probability,
            thumbnail=_data_uri(mistake.thumbnail_jpeg),
        )
        for mistake in most_confident[:MOST_MISTAKES]
    ]


def _data_uri(jpeg: bytes | None) -> str | None:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else None


def _stage_rows(evaluation: Evaluation) -> list[tuple[str, object]]:
    return [
        (wording.printable(name), times)
        for name, times in evaluation.stage_seconds.items()
        if times.total > 0
    ]
