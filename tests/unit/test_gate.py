"""What the gate of a compilation says of a comparison."""

import numpy as np
import pytest

from shared.errors import CompileError
from worker.compilation.gate import TOLERANCES, Verdict, judge, require_pass
from worker.devices.base import TopK
from worker.devices.self_test import Comparison, compare

INT8 = TOLERANCES["int8"]


def comparison(**figures):
    good = {
        "images": 72,
        "largest_drift": 0.1,
        "median_drift": 0.01,
        "compared": 60,
        "flips": 0,
        "largest_flipped_margin": 0.0,
    }
    return Comparison(**(good | figures))


def judged(*, has_source=True, random=False, **figures):
    return judge(
        comparison(**figures), INT8, has_calibration_source=has_source, random_weights=random
    )


def test_a_comparison_within_every_limit_passes():
    report = judged(flips=3)

    assert report.passed
    assert (report.drift, report.accuracy) == (Verdict.PASS, Verdict.PASS)
    require_pass(report)


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({"largest_drift": 0.76}, r"0\.76 at worst \(limit 0\.75\)"),
        ({"median_drift": 0.11}, r"0\.11 in the median \(limit 0\.1\)"),
        ({"flips": 4}, r"accuracy FAIL: 4 of 60 clear images"),
        ({"compared": 49}, "accuracy INVALID: only 49 images .* 50 are needed"),
    ],
)
def test_each_figure_over_its_limit_is_refused_by_name(figures, text):
    with pytest.raises(CompileError, match=text):
        require_pass(judged(**figures))


def test_random_weights_are_gated_on_drift_only_and_the_report_says_so():
    report = judged(random=True, flips=60, compared=60)

    assert report.passed
    assert report.accuracy is Verdict.NOT_APPLICABLE
    assert "only drift is gated" in report.accuracy_note
    assert not judged(random=True, largest_drift=0.8).passed


def test_without_a_source_accuracy_is_said_not_to_be_measured():
    report = judged(has_source=False, compared=6)

    assert report.passed
    assert report.accuracy is Verdict.NOT_MEASURED


def answers(indices, probabilities):
    return TopK(
        class_indices=np.array(indices, dtype=np.int32),
        probabilities=np.array(probabilities, dtype=np.float32),
    )


EXPECTED = np.array([[0.6, 0.3, 0.1], [0.34, 0.33, 0.33]], dtype=np.float32)


def test_drift_is_the_largest_difference_of_a_returned_class():
    found = compare(answers([[0, 1], [0, 1]], [[0.55, 0.32], [0.34, 0.33]]), EXPECTED, margin=0.02)

    assert found.largest_drift == pytest.approx(0.05)
    assert found.median_drift == pytest.approx(0.025)


def test_a_class_that_was_left_out_counts_by_what_it_must_have_lost():
    found = compare(answers([[1, 2], [0, 1]], [[0.3, 0.1], [0.34, 0.33]]), EXPECTED, margin=0.02)

    assert found.largest_drift == pytest.approx(0.5)


def test_a_probability_that_is_no_number_counts_as_the_largest_drift():
    found = compare(answers([[0, 1], [0, 1]], [[np.nan, 0.3], [0.34, 0.33]]), EXPECTED, margin=0.02)

    assert found.largest_drift == 1.0


def test_only_clear_images_count_for_flips():
    both_flipped = answers([[1, 0], [1, 0]], [[0.5, 0.4], [0.34, 0.33]])

    found = compare(both_flipped, EXPECTED, margin=0.02)

    assert (found.compared, found.flips) == (1, 1)
    assert found.largest_flipped_margin == pytest.approx(0.3)
    assert compare(both_flipped, EXPECTED, margin=0.0).flips == 2
