"""Rates, per class figures, calibration and the bottleneck, against slow and plain oracles."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.accuracy import (
    CALIBRATION_BINS,
    Accuracy,
    CalibrationBin,
    ClassFigures,
    ConfusedPair,
    Counts,
    Rate,
    StageSeconds,
    bottleneck,
    calibration_bin,
    calibration_bins,
    expected_calibration_error,
    most_confused,
    per_class,
    wilson_interval,
    worst_classes,
)

COUNTS = Counts(
    total=1000,
    predicted=900,
    failed=100,
    labelled=500,
    predicted_labelled=400,
    top1_correct=300,
    top5_correct=380,
)


def test_processed_figures_leave_failed_images_out_and_over_all_counts_them_wrong():
    accuracy = Accuracy.from_counts(COUNTS, class_count=10)

    assert accuracy.top1 == Rate(correct=300, total=400)
    assert accuracy.top5 == Rate(correct=380, total=400)
    assert accuracy.top1_over_all == Rate(correct=300, total=500)
    assert accuracy.top5_over_all == Rate(correct=380, total=500)


def test_top5_is_none_with_fewer_than_five_classes():
    with_four = Accuracy.from_counts(COUNTS, class_count=4)
    with_five = Accuracy.from_counts(COUNTS, class_count=5)

    assert (with_four.top5, with_four.top5_over_all) == (None, None)
    assert with_four.top1 == Rate(correct=300, total=400)
    assert with_five.top5 is not None


def test_nothing_is_known_where_nothing_is_labelled():
    counts = replace(COUNTS, labelled=0, predicted_labelled=0, top1_correct=0, top5_correct=0)

    document = Accuracy.from_counts(counts, class_count=10).as_dict()

    assert not Accuracy.from_counts(counts, class_count=10).is_known
    assert len(document) == 8
    assert set(document.values()) == {None}


def test_only_over_all_is_known_where_every_labelled_image_failed():
    counts = replace(COUNTS, labelled=80, predicted_labelled=0, top1_correct=0, top5_correct=0)

    accuracy = Accuracy.from_counts(counts, class_count=10)

    assert accuracy.top1 is None
    assert accuracy.top1_over_all == Rate(correct=0, total=80)


def test_the_accuracy_document_has_the_names_scripts_rely_on():
    document = Accuracy.from_counts(COUNTS, class_count=10).as_dict()

    assert document["top1"] == 0.75
    assert document["top5"] == 0.95
    assert document["top1_over_all"] == 0.6
    assert document["top5_over_all"] == 0.76
    assert document["top1_interval"] == list(wilson_interval(300, 400))
    assert document["top5_interval"] == list(wilson_interval(380, 400))


def test_counts_tell_how_many_are_unlabelled_and_failed_with_a_label():
    assert (COUNTS.processed, COUNTS.unlabelled, COUNTS.failed_labelled) == (1000, 500, 100)
    assert COUNTS.as_dict()["unlabelled"] == 500
    assert Counts.from_dict(COUNTS.as_dict()) == COUNTS


@pytest.mark.parametrize(
    "change",
    [
        {"top1_correct": 381},
        {"top5_correct": 401},
        {"predicted_labelled": 501},
        {"predicted": 399},
        {"failed": 99},
        {"total": 999},
        {"top1_correct": -1},
    ],
)
def test_counters_that_contradict_each_other_are_refused(change):
    with pytest.raises(ValueError, match="contradict each other"):
        replace(COUNTS, **change)


def test_counts_without_a_total_are_those_of_a_job_still_listing():
    assert replace(COUNTS, total=None).processed == 1000


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (2, 1), (-1, 3)])
def test_a_rate_of_nothing_or_over_one_is_refused(correct, total):
    with pytest.raises(ValueError, match="is no rate"):
        Rate(correct=correct, total=total)


square_shapes = st.integers(1, 9).map(lambda classes: (classes, classes))


@given(arrays.arrays(np.int64, square_shapes, elements=st.integers(0, 40)))
def test_per_class_figures_equal_those_of_the_dense_matrix(matrix):
    confusion = {(int(t), int(p)): int(matrix[t, p]) for t, p in np.argwhere(matrix >= 0)}

    figures = {entry.class_index: entry for entry in per_class(confusion)}

    for index in range(len(matrix)):
        support, predicted = matrix[index].sum(), matrix[:, index].sum()
        if support + predicted == 0:
            assert index not in figures
            continue
        entry, right = figures[index], matrix[index, index]
        assert (entry.support, entry.predicted, entry.correct) == (support, predicted, right)
        assert _value(entry.recall) == (right / support if support else None)
        assert _value(entry.precision) == (right / predicted if predicted else None)
        recall = right / support if support else 0
        precision = right / predicted if predicted else 0
        harmonic = 2 * recall * precision / (recall + precision) if right else 0
        assert entry.f1 == pytest.approx(harmonic)


def _value(rate):
    return None if rate is None else rate.value


def test_most_confused_pairs_are_the_wrong_ones_by_count_then_index():
    confusion = {(0, 0): 90, (0, 1): 5, (1, 0): 7, (2, 1): 5, (1, 2): 1, (2, 0): 0}

    pairs = most_confused(confusion, limit=3)

    assert pairs == (
        ConfusedPair(true_index=1, predicted_index=0, count=7),
        ConfusedPair(true_index=0, predicted_index=1, count=5),
        ConfusedPair(true_index=2, predicted_index=1, count=5),
    )
    assert len(most_confused(confusion, limit=9)) == 4


def test_worst_classes_put_a_surely_bad_class_before_an_unlucky_rare_one():
    rare = ClassFigures(class_index=0, support=1, predicted=0, correct=0)
    bad = ClassFigures(class_index=1, support=200, predicted=100, correct=60)
    good = ClassFigures(class_index=2, support=200, predicted=300, correct=190)
    never_seen = ClassFigures(class_index=3, support=0, predicted=9, correct=0)

    worst = worst_classes([good, rare, never_seen, bad], limit=5)

    assert worst == (bad, rare, good)
    assert worst_classes([good, rare, bad], limit=1) == (bad,)


def test_classes_equally_bad_come_in_index_order():
    figures = [ClassFigures(class_index=i, support=10, predicted=10, correct=5) for i in (4, 2, 9)]

    assert [entry.class_index for entry in worst_classes(figures, limit=3)] == [2, 4, 9]


answers = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@given(answers)
def test_calibration_error_equals_a_plain_computation(given_answers):
    confidence = np.array([sure for sure, _ in given_answers])
    right = np.array([is_right for _, is_right in given_answers], dtype=float)
    places = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    expected = sum(
        (places == place).mean()
        * abs(right[places == place].mean() - confidence[places == place].mean())
        for place in np.unique(places)
    )

    bins = calibration_bins(given_answers)

    assert len(bins) == CALIBRATION_BINS
    assert sum(entry.count for entry in bins) == len(given_answers)
    assert expected_calibration_error(bins) == pytest.approx(expected, abs=1e-9)


def test_calibration_error_of_a_model_that_is_sure_and_always_wrong_is_one():
    assert expected_calibration_error(calibration_bins([(1.0, False)] * 3)) == 1.0
    assert expected_calibration_error(calibration_bins([(1.0, True)] * 3)) == 0.0


def test_calibration_error_is_none_without_images():
    empty = CalibrationBin(count=0, sum_confidence=0.0, correct=0)

    assert expected_calibration_error([empty] * CALIBRATION_BINS) is None


@pytest.mark.parametrize(
    ("confidence", "place"), [(0.0, 0), (0.0666, 0), (0.0667, 1), (0.5, 7), (0.999, 14), (1.0, 14)]
)
def test_calibration_bins_are_floors_and_hold_one(confidence, place):
    assert calibration_bin(confidence) == place


def _stage(busy=0.0, starved=0.0, blocked=0.0):
    return StageSeconds(busy=busy, starved=starved, blocked=blocked)


def test_the_bottleneck_blocks_those_before_it_and_starves_those_after():
    stages = {
        "fetch": _stage(busy=40, starved=1, blocked=60),
        "decode": _stage(busy=99, blocked=1),
        "device": _stage(busy=55, starved=45),
    }

    assert bottleneck(stages) == "decode"


def test_the_bottleneck_goes_by_shares_because_stages_differ_in_threads():
    stages = {
        "fetch": _stage(busy=500, blocked=2700),
        "device": _stage(busy=98, starved=2),
    }

    assert bottleneck(stages) == "device"


def test_where_every_stage_starves_work_came_too_slowly():
    stages = {"fetch": _stage(busy=30, starved=70), "device": _stage(busy=45, starved=55)}

    assert bottleneck(stages) == "queue"


def test_one_stage_that_does_not_starve_is_to_blame_even_if_seldom_busy():
    stages = {
        "fetch": _stage(busy=30, blocked=70),
        "decode": _stage(busy=20, starved=10, blocked=70),
        "device": _stage(busy=45, starved=55),
    }

    assert bottleneck(stages) == "device"


@pytest.mark.parametrize("stages", [{}, {"fetch": _stage()}])
def test_the_bottleneck_is_unknown_where_nothing_was_measured(stages):
    assert bottleneck(stages) == "unknown"


def test_a_stage_without_time_is_never_the_bottleneck():
    assert bottleneck({"fetch": _stage(), "decode": _stage(busy=1, starved=1)}) == "decode"


def test_counting_answers_gives_the_same_whatever_their_order():
    pairs = [(0, 1), (1, 1), (0, 0), (2, 1), (0, 1)]

    assert per_class(Counter(pairs)) == per_class(Counter(reversed(pairs)))
