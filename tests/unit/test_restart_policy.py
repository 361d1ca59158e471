from hypothesis import given
from hypothesis import strategies as st

from producer.local_stack.restart_policy import RestartPolicy, decide_restart


def delays(policy: RestartPolicy, *, lives_seconds: list[float]) -> list[float | None]:
    rapid_deaths, found = 0, []
    for lived_seconds in lives_seconds:
        decision = decide_restart(
            policy, rapid_deaths=rapid_deaths, lived_seconds=lived_seconds, exit_code=1
        )
        rapid_deaths = decision.rapid_deaths
        found.append(decision.delay_seconds)
    return found


def test_delays_double_from_a_fifth_of_a_second_up_to_ten_and_then_end():
    found = delays(RestartPolicy(), lives_seconds=[0.1] * 8)

    assert found == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, None]


def test_a_healthy_life_starts_the_count_again():
    found = delays(RestartPolicy(), lives_seconds=[1.0, 1.0, 31.0, 1.0])

    assert found == [0.2, 0.4, 0.2, 0.4]


def test_a_usage_error_is_not_tried_again():
    decision = decide_restart(RestartPolicy(), rapid_deaths=0, lived_seconds=0.5, exit_code=2)

    assert decision.delay_seconds is None


def test_a_healthy_child_is_restarted_for_ever():
    assert None not in delays(RestartPolicy(), lives_seconds=[30.0] * 100)


@given(st.lists(st.floats(min_value=0, max_value=29.9), min_size=8, max_size=40))
def test_no_pattern_of_rapid_deaths_goes_on_beyond_the_limit(lives_seconds):
    assert delays(RestartPolicy(), lives_seconds=lives_seconds)[7] is None
