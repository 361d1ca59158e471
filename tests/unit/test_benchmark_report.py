"""What a benchmark of a device says of the times it took."""

import pytest

from worker.devices.benchmark import summarize


def steady(batches, *, every=0.05):
    return [(number * every, (number + 1) * every) for number in range(batches)]


def summary(intervals):
    return summarize(intervals, start=0.0, batch_size=8, precision_used="fp32")


def test_a_long_steady_run_is_valid():
    report = summary(steady(100))

    assert report.is_valid
    assert report.images == 800
    assert report.images_per_second == pytest.approx(160)
    assert report.latency_p50_seconds == pytest.approx(0.05)
    assert report.spread == pytest.approx(0)


@pytest.mark.parametrize(
    ("intervals", "text"),
    [
        (steady(30), "ran 1.50 s"),
        (steady(5, every=1.0), "ran 5 batches"),
        (steady(50) + [(2.5 + n * 0.1, 2.6 + n * 0.1) for n in range(50)], "unsteady"),
    ],
    ids=["short", "few batches", "unsteady"],
)
def test_a_run_that_proves_nothing_is_invalid_and_says_why(intervals, text):
    report = summary(intervals)

    assert not report.is_valid
    assert text in "; ".join(report.invalid_reasons)
    assert report.as_dict()["valid"] is False
