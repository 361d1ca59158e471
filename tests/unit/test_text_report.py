"""The report on a terminal."""

from dataclasses import replace

import pytest

from producer.report import BaselineComparison, render_text
from shared.accuracy import Answer, Counts, StageSeconds, paired_comparison
from tests.support.evaluations import GARMENTS, sample_evaluation

EVALUATION = sample_evaluation(images=2000)


def _text(evaluation=EVALUATION, **options):
    return "\n".join(render_text(evaluation, **options))


def test_the_figures_stand_with_their_intervals_and_denominators():
    text = _text()

    for rate in (EVALUATION.accuracy.top1, EVALUATION.accuracy.top5_over_all):
        low, high = rate.interval
        interval = f"[{100 * low:.2f} to {100 * high:.2f} %]"
        assert f"{100 * rate.value:.2f} %  {interval}  {rate.correct:,} of {rate.total:,}" in text
    assert "2,057 listed, 2,020 predicted, 37 failed; 2,030 labelled, 27 unlabelled" in text
    assert f"{100 * EVALUATION.calibration_error:.2f} %" in text


def test_classes_pairs_failures_speed_and_provenance_follow():
    text = _text()
    pair = EVALUATION.confused_pairs[0]

    assert text.index("\n  Shirt ") < text.index("\nMost confused")
    assert (
        f"{pair.count}  {GARMENTS[pair.true_index]} called {GARMENTS[pair.predicted_index]}" in text
    )
    assert "24  not_found              There is nothing at that address." in text
    assert "1,234 images/s, 8 min 12 s. The bottleneck is decode" in text
    assert EVALUATION.artifact.digest in text
    assert EVALUATION.artifact.recipe_digest in text
    assert "2026-07-25 17:20:00 UTC to 2026-07-25 17:28:12 UTC" in text


def test_notices_come_before_any_figure():
    lines = render_text(replace(EVALUATION, random_weights=True, state="cancelled"))

    notices = [line for line in lines if line.startswith("! ")]
    assert len(notices) == 2
    assert "not applicable" in notices[0]
    assert "The job is cancelled: these figures cover 2,057 of 2,057 images." in notices[1]
    assert lines.index(notices[1]) < next(i for i, line in enumerate(lines) if "Top-1" in line)


def test_a_running_job_that_is_still_listing_does_not_name_a_total():
    counts = replace(EVALUATION.counts, total=None)

    text = _text(replace(EVALUATION, state="running", counts=counts))

    assert "The job is running: these figures cover 2,057 images." in text
    assert "– listed" in text


def test_a_job_whose_labelled_images_all_failed_says_so():
    counts = Counts(
        total=5,
        predicted=0,
        failed=5,
        labelled=5,
        predicted_labelled=0,
        top1_correct=0,
        top5_correct=0,
    )

    text = _text(replace(EVALUATION, counts=counts, per_class=(), confused_pairs=()))

    assert "every labelled image failed" in text
    assert "no labelled image was predicted" in text
    assert "Top-1 over all labelled images    0.00 %  [0.00 to 43.45 %]  0 of 5" in text
    assert "Worst classes" not in text
    assert "Most confused" not in text


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        ({}, "No stage times were recorded."),
        ({"fetch": StageSeconds(busy=1.0, starved=9.0, blocked=0.0)}, "work arrived too slowly"),
    ],
)
def test_the_bottleneck_sentence_fits_what_was_measured(stages, sentence):
    assert sentence in _text(replace(EVALUATION, stage_seconds=stages))


def test_further_reasons_are_counted_instead_of_listed():
    failures = {f"reason_{number}": number + 1 for number in range(8)}

    text = _text(replace(EVALUATION, failures=failures))

    assert text.count("  reason_") == 5
    assert "and 3 more reasons" in text
    assert "reason_0 " not in text
    assert text.index("reason_7") < text.index("reason_6") < text.index("reason_3")


def test_the_comparison_says_change_interval_p_and_what_was_not_compared():
    def side(right):
        return [
            Answer(key=f"{i:03d}", input_sha256="a", label=1, predicted=1 if i in right else 0)
            for i in range(100)
        ]

    figures = paired_comparison(
        [*side(range(80)), Answer(key="999", input_sha256="a", label=1, predicted=1)],
        side(range(10, 80)),
    )

    text = _text(comparison=BaselineComparison(job_id="01baseline", figures=figures))

    assert "Against job 01baseline, on 100 images of both:" in text
    low, high = (f"−{-100 * end:.2f}" for end in figures.difference_interval)
    assert f"top-1 changed by −10.00 points [{low} to {high} points], McNemar p = 0.0020" in text
    assert "newly wrong 10, newly right 0" in text
    assert "not compared: only_in_baseline 1" in text


def test_hostile_names_cannot_steer_the_terminal():
    hostile = "\x1b]0;owned\x07\nTop-1 100 %"
    names = (hostile, *GARMENTS[1:])

    lines = render_text(
        sample_evaluation(
            names=names,
            images=500,
            job_id=hostile,
            state=hostile,
            source=hostile,
            devices=(hostile,),
            failures={hostile: 37},
            artifact=replace(EVALUATION.artifact, name=hostile, digest=hostile),
        )
    )

    assert not any(set(line) & {"\x1b", "\x07", "\n"} for line in lines)
    assert any("�]0;owned��Top-1" in line for line in lines)
