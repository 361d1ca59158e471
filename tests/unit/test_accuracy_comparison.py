"""The paired comparison against a plain one in memory."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.accuracy import (
    Answer,
    Flip,
    Rate,
    mcnemar_exact,
    paired_comparison,
    paired_difference_interval,
)


def _answer(key, *, label=1, predicted=1, sha="a", probability=0.5):
    return Answer(
        key=key, input_sha256=sha, label=label, predicted=predicted, probability=probability
    )


RIGHT, WRONG = 1, 0
sides = st.dictionaries(
    st.text("abc/é\U0001f600", min_size=1, max_size=3),
    st.builds(
        lambda label, predicted, sha: {"label": label, "predicted": predicted, "sha": sha},
        st.sampled_from([0, 1, None]),
        st.sampled_from([0, 1, None]),
        st.sampled_from(["a", "b", None]),
    ),
)


def _sorted_answers(side):
    return (_answer(key, **side[key]) for key in sorted(side))


@given(sides, sides)
def test_every_image_is_compared_once_or_left_out_for_one_reason(old, new):
    expected = Counter()
    for key in old.keys() & new.keys():
        before, after = old[key], new[key]
        comparable = (
            None not in (before["predicted"], after["predicted"], before["label"], before["sha"])
            and before["sha"] == after["sha"]
            and before["label"] == after["label"]
        )
        if comparable:
            was = before["predicted"] == before["label"]
            expected[was, after["predicted"] == after["label"]] += 1

    result = paired_comparison(_sorted_answers(old), _sorted_answers(new))

    assert result.both_right == expected[True, True]
    assert result.newly_wrong == expected[True, False]
    assert result.newly_right == expected[False, True]
    assert result.both_wrong == expected[False, False]
    assert result.left_out.get("only_in_baseline", 0) == len(old.keys() - new.keys())
    assert result.left_out.get("only_in_candidate", 0) == len(new.keys() - old.keys())
    assert result.compared + sum(result.left_out.values()) == len(old.keys() | new.keys())
    assert 0 not in result.left_out.values()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({"predicted": None}, {}, "failed_in_baseline"),
        ({}, {"predicted": None}, "failed_in_candidate"),
        ({}, {"sha": "b"}, "input_differs"),
        ({"sha": None}, {"sha": None}, "input_differs"),
        ({"label": None}, {"label": None}, "unlabelled"),
        ({"label": 0}, {}, "label_differs"),
        ({"label": None}, {}, "label_differs"),
    ],
)
def test_what_cannot_be_compared_is_left_out_with_its_reason(before, after, reason):
    result = paired_comparison([_answer("x", **before)], [_answer("x", **after)])

    assert result.compared == 0
    assert result.left_out == {reason: 1}
    assert (result.difference, result.difference_interval, result.baseline) == (None, None, None)


def test_the_figures_are_those_of_the_four_cells():
    old = [_answer(f"{i:03d}", predicted=RIGHT if i < 80 else WRONG) for i in range(100)]
    new = [_answer(f"{i:03d}", predicted=RIGHT if 10 <= i < 85 else WRONG) for i in range(100)]

    result = paired_comparison(old, new)

    assert (result.both_right, result.newly_wrong, result.newly_right) == (70, 10, 5)
    assert result.baseline == Rate(correct=80, total=100)
    assert result.candidate == Rate(correct=75, total=100)
    assert result.difference == -0.05
    assert result.difference_interval == paired_difference_interval(70, 10, 5, 15)
    assert result.p_value == mcnemar_exact(10, 5)


def test_the_lists_hold_the_most_confident_flips_and_no_more_than_asked():
    old = [_answer(f"{i}", predicted=RIGHT) for i in range(9)]
    new = [_answer(f"{i}", predicted=WRONG, probability=(i * 5 % 9) / 10) for i in range(9)]

    result = paired_comparison(old, new, max_listed=3)

    assert result.newly_wrong == 9
    assert [flip.candidate_probability for flip in result.newly_wrong_images] == [0.8, 0.7, 0.6]
    assert result.newly_right_images == ()


def test_a_flip_says_what_both_jobs_said():
    result = paired_comparison(
        [_answer("x", predicted=2, probability=0.1)], [_answer("x", predicted=1, probability=0.9)]
    )

    assert result.newly_right_images == (
        Flip(
            key="x",
            label=1,
            baseline_predicted=2,
            candidate_predicted=1,
            candidate_probability=0.9,
        ),
    )


def test_flips_equally_confident_stay_in_their_order():
    old = [_answer(key, predicted=RIGHT) for key in "abcd"]
    new = [_answer(key, predicted=WRONG) for key in "abcd"]

    result = paired_comparison(old, new, max_listed=2)

    assert [flip.key for flip in result.newly_wrong_images] == ["a", "b"]


def test_a_repeated_key_pairs_up_one_to_one():
    result = paired_comparison([_answer("a"), _answer("a")], [_answer("a")])

    assert result.compared == 1
    assert result.left_out == {"only_in_baseline": 1}


@pytest.mark.parametrize("unordered_side", [0, 1])
def test_answers_out_of_order_are_refused_instead_of_left_out(unordered_side):
    both = [[_answer("a"), _answer("b")], [_answer("a"), _answer("b")]]
    both[unordered_side].reverse()

    with pytest.raises(ValueError, match="ordered by key: 'a' after 'b'"):
        paired_comparison(*both)


def test_the_comparison_is_json():
    result = paired_comparison([_answer("x", predicted=0), _answer("y")], [_answer("x")])

    document = json.loads(json.dumps(result.as_dict()))

    assert document["newly_right"] == 1
    assert document["difference"] == 1.0
    assert document["candidate_top1"] == 1.0
    assert document["baseline_top1"] == 0.0
    assert document["difference_interval"] == list(paired_difference_interval(0, 0, 1, 0))
    assert document["p_value"] == 1.0
    assert document["newly_right_images"][0]["key"] == "x"
    assert document["left_out"] == {"only_in_baseline": 1}
