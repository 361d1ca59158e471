import pytest

from worker.rate_meter import RateMeter


def test_steady_work_in_bursts_moves_the_rate_from_what_was_stated_to_what_is_seen():
    meter = RateMeter({"a": 1000.0})
    told = {}
    for second in range(60):
        if second % 3 == 0:
            meter.finished("a", 300)
        told |= meter.close_interval(1.0, was_busy=True)

    assert told["a"] == pytest.approx(100.0, rel=0.25)


def test_waiting_for_work_and_mixed_work_say_nothing_of_the_speed():
    meter = RateMeter({"a": 1000.0, "b": 10.0})

    meter.finished("a", 1)
    assert meter.close_interval(9.0, was_busy=False) == {}
    assert meter.close_interval(9.0, was_busy=True) == {}
    meter.finished("a", 1)
    meter.finished("b", 1)
    assert meter.close_interval(9.0, was_busy=True) == {}


def test_a_small_change_is_not_worth_a_write():
    meter = RateMeter({"a": 100.0})
    meter.finished("a", 1100)

    assert meter.close_interval(10.0, was_busy=True) == {}
