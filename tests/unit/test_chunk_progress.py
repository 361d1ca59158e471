import threading

import pytest

from shared.errors import DeviceError, PipelineStopped, TruncatedImage
from shared.image_reference import ImageReference
from shared.store.predictions import Outcome, pack_topk, tally, unpack_topk
from worker.pipeline.byte_budget import ByteBudget
from worker.pipeline.chunk_progress import ChunkProgress
from worker.pipeline.stage import Stage
from worker.pipeline.stage_clock import StageClock

REFERENCES = [ImageReference(index=10 + number, uri=f"/{number}", label=1) for number in range(3)]


def good(position, classes=(1, 0)):
    return Outcome(
        reference=REFERENCES[position], class_indices=list(classes), probabilities=[0.9, 0.1]
    )


def test_outcomes_come_back_in_the_order_of_the_references():
    progress = ChunkProgress(REFERENCES)
    progress.settle(2, good(2))
    progress.reject(0, TruncatedImage("ends early"), input_sha256=b"x")
    progress.settle(1, good(1))

    outcomes = progress.wait()

    assert [outcome.reference.index for outcome in outcomes] == [10, 11, 12]
    assert (outcomes[0].reason, outcomes[0].stage) == ("truncated", "decode")
    assert (outcomes[0].message, outcomes[0].input_sha256) == ("ends early", b"x")


def test_a_second_outcome_for_an_image_is_loud():
    progress = ChunkProgress(REFERENCES)
    progress.settle(0, good(0))

    with pytest.raises(RuntimeError, match="image 10 was settled twice"):
        progress.settle(0, good(0))


def test_a_machine_error_ends_the_wait_and_makes_no_row():
    progress = ChunkProgress(REFERENCES)
    progress.settle(0, good(0))
    threading.Timer(0.05, progress.give_up, args=(DeviceError("gone"),)).start()

    with pytest.raises(DeviceError, match="gone"):
        progress.wait()
    progress.give_up(PipelineStopped("later"))
    with pytest.raises(DeviceError, match="gone"):
        progress.wait()


def test_the_tally_counts_each_image_once_in_every_counter():
    outcomes = [
        good(0),
        good(1, classes=(0, 1)),
        Outcome(reference=REFERENCES[2], reason="empty", stage="decode"),
        Outcome(reference=ImageReference(index=5, uri="/"), class_indices=[1], probabilities=[1.0]),
    ]

    counters, failures = tally(outcomes)

    assert counters == {
        "predicted": 3,
        "failed": 1,
        "labelled": 3,
        "scored": 2,
        "top1_correct": 1,
        "top5_correct": 2,
    }
    assert failures == {"empty": 1}


def test_topk_survives_packing_to_float32():
    assert unpack_topk(pack_topk([7, 1], [0.75, 0.25])) == ((7, 1), (0.75, 0.25))
    assert len(pack_topk(range(5), [0.1] * 5)) == 40


def test_the_byte_budget_holds_back_what_does_not_fit_and_lets_a_giant_in_alone():
    budget = ByteBudget(100)
    entered = []

    def enter(size):
        budget.acquire(size)
        entered.append(size)

    budget.acquire(60)
    thread = threading.Thread(target=enter, args=(50,))
    thread.start()
    thread.join(timeout=0.1)
    assert entered == []
    budget.release(60)
    thread.join(timeout=5)
    assert entered == [50]
    budget.release(50)
    enter(1000)
    assert entered == [50, 1000]


def test_a_stage_handles_every_item_and_says_where_its_time_went():
    clock = StageClock()
    handed_on = []
    stage = Stage(
        "double",
        lambda item: lambda: handed_on.append(2 * item),
        threads=3,
        capacity=2,
        clock=clock,
    )
    stage.start()
    for number in range(50):
        stage.put(number)
    stage.close()

    assert sorted(handed_on) == [2 * number for number in range(50)]
    assert clock.handled() == 50
    seconds = clock.take()["double"]
    assert set(seconds) == {"busy", "starved", "blocked"}
    assert clock.take()["double"] == {"busy": 0.0, "starved": 0.0, "blocked": 0.0}
