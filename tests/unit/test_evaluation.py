"""The evaluation document goes through JSON and comes back the same."""

import json

import pytest

from shared.accuracy import Evaluation, StageSeconds
from shared.accuracy.evaluation import MOST_CONFUSED_PAIRS, MOST_MATRIX_CELLS
from shared.errors import JobError
from tests.support.evaluations import class_names, sample_evaluation


def _through_json(evaluation):
    return Evaluation.from_dict(json.loads(json.dumps(evaluation.as_dict(), allow_nan=False)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"confusion": None},
        {"images_per_second": None, "started_unix_seconds": None, "finished_unix_seconds": None},
        {"stage_seconds": {}, "calibration": (), "failures": {}, "devices": ()},
        {"random_weights": True},
    ],
)
def test_an_evaluation_survives_json(changes):
    evaluation = sample_evaluation(images=300, **changes)

    assert _through_json(evaluation) == evaluation


def test_the_document_carries_what_follows_from_it():
    evaluation = sample_evaluation(images=300)

    document = evaluation.as_dict()

    assert document["accuracy"] == evaluation.accuracy.as_dict()
    assert document["accuracy"]["top1"] == evaluation.counts.top1_correct / 300
    assert document["bottleneck"] == "decode"
    assert document["calibration_error"] == evaluation.calibration_error > 0
    assert document["per_class"][6]["recall"] == evaluation.per_class[6].recall.value


def test_derived_figures_in_a_stored_document_are_not_believed():
    evaluation = sample_evaluation(images=300)
    document = evaluation.as_dict()
    document["accuracy"]["top1"] = 1.0
    document["bottleneck"] = "device"

    assert Evaluation.from_dict(document).accuracy == evaluation.accuracy
    assert Evaluation.from_dict(document).bottleneck == "decode"


def test_a_document_of_a_newer_nestor_is_refused_with_advice():
    document = sample_evaluation(images=10).as_dict() | {"version": 2}

    with pytest.raises(JobError, match=r"version 2, this Nestor reads 1: upgrade it"):
        Evaluation.from_dict(document)


def _with_confusion(confusion, names):
    base = sample_evaluation(images=10)
    from shared.accuracy import build_evaluation

    kept = {
        name: getattr(base, name)
        for name in base.__slots__
        if name not in {"class_count", "classes", "per_class", "confused_pairs", "confusion"}
    }
    return build_evaluation(confusion=confusion, class_names=class_names(names), **kept)


def test_a_matrix_beyond_the_bound_is_left_out_but_its_figures_stay():
    names = [f"class {index}" for index in range(101)]
    full = {(t, p): 1 + t for t in range(100) for p in range(100)}

    at_the_bound = _with_confusion(full, names)
    beyond = _with_confusion({**full, (100, 3): 1}, names)

    assert len(full) == MOST_MATRIX_CELLS
    assert at_the_bound.confusion == full
    assert beyond.confusion is None
    assert len(beyond.per_class) == 101
    assert len(beyond.confused_pairs) == MOST_CONFUSED_PAIRS
    assert beyond.confused_pairs[0].true_index == 99


def test_only_classes_that_occur_are_named():
    evaluation = _with_confusion({(2, 7): 3, (4, 4): 0}, [f"class {i}" for i in range(1000)])

    assert {index: entry.name for index, entry in evaluation.classes.items()} == {
        2: "class 2",
        7: "class 7",
    }
    assert evaluation.confusion == {(2, 7): 3}
    assert evaluation.class_count == 1000


def test_stage_shares_of_a_stage_without_time_are_zero():
    assert StageSeconds(busy=0.0, starved=0.0, blocked=0.0).busy_share == 0.0
