from shared.store.job_states import ACTIVE, ENDED, ENDING, TRANSITIONS, JobState, may_follow


def test_every_state_has_its_line_in_the_table_and_belongs_to_one_kind():
    assert set(TRANSITIONS) == set(JobState)
    assert ACTIVE | ENDING | ENDED | {JobState.PAUSED} == set(JobState)
    assert not ACTIVE & ENDED
    assert not ENDING & (ACTIVE | ENDED)


def test_every_state_can_be_reached_from_queued_and_every_one_can_end():
    reached, frontier = {JobState.QUEUED}, [JobState.QUEUED]
    while frontier:
        for state in TRANSITIONS[frontier.pop()] - reached:
            reached.add(state)
            frontier.append(state)
    assert reached == set(JobState)
    for state in JobState:
        assert state in ENDED or TRANSITIONS[state]


def test_an_ended_job_moves_only_to_run_again():
    assert all(TRANSITIONS[state] <= {JobState.RUNNING} for state in ENDED)
    assert not may_follow(JobState.CANCELLED, JobState.RUNNING)
