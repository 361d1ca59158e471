import threading
from concurrent.futures import Future

import numpy as np
import pytest

from shared.errors import DeviceError
from shared.image_reference import ImageReference
from worker.devices.base import TopK
from worker.pipeline.chunk_progress import ChunkProgress
from worker.pipeline.device_feeder import DeviceFeeder, ReadyImage
from worker.pipeline.stage_clock import StageClock

BATCH = 3


class HeldDevice:
    """Answers each batch when the test says so; the class is the value of the first pixel."""

    name, batch_size, depth, precision_used = "held:0", BATCH, 2, "fp32"

    def __init__(self):
        self.batches = []
        self.submitted = threading.Semaphore(0)

    def submit(self, batch):
        future = Future()
        self.batches.append((batch, future))
        self.submitted.release()
        return future

    def close(self):
        """Nothing is open."""

    def answer(self, number):
        batch, future = self.batches[number]
        classes = batch[:, 0, 0, :1].astype(np.int32)
        future.set_result(TopK(class_indices=classes, probabilities=classes.astype(np.float32)))

    def wait_for_batch(self):
        assert self.submitted.acquire(timeout=5), "no batch came"


@pytest.fixture
def device():
    return HeldDevice()


@pytest.fixture
def errors():
    return []


def start_feeder(device, errors, *, max_batch_age_seconds):
    feeder = DeviceFeeder(
        device,
        clock=StageClock(),
        on_device_error=lambda error, _: errors.append(error),
        max_batch_age_seconds=max_batch_age_seconds,
    )
    feeder.start()
    return feeder


@pytest.fixture
def feeder(device, errors):
    """For full batches only: a short one would wait for a minute."""
    started = start_feeder(device, errors, max_batch_age_seconds=60.0)
    yield started
    started.close()


@pytest.fixture
def impatient_feeder(device, errors):
    started = start_feeder(device, errors, max_batch_age_seconds=0.0)
    yield started
    started.close()


def progress_of(images):
    return ChunkProgress([ImageReference(index=n, uri=f"/{n}") for n in range(images)])


def put(feeder, progress, *positions):
    for position in positions:
        feeder.put(
            ReadyImage(
                progress=progress,
                position=position,
                reference=ImageReference(index=position, uri=f"/{position}"),
                pixels=np.full((2, 2, 3), position, np.uint8),
                input_sha256=bytes(32),
            )
        )


def test_each_image_gets_the_answer_of_its_own_row(feeder, device):
    progress = progress_of(BATCH)

    put(feeder, progress, 2, 0, 1)
    device.answer(0)

    assert [outcome.class_indices for outcome in progress.wait()] == [[0], [1], [2]]


def test_a_short_batch_goes_out_by_itself_while_the_device_has_nothing(impatient_feeder, device):
    put(impatient_feeder, progress_of(BATCH), 0)

    device.wait_for_batch()

    assert [len(batch) for batch, _ in device.batches] == [1]


def test_a_short_batch_waits_while_the_device_works_and_goes_out_when_it_is_done(
    impatient_feeder, device
):
    progress = progress_of(BATCH)
    put(impatient_feeder, progress, 0)
    device.wait_for_batch()

    put(impatient_feeder, progress, 1, 2)
    came_early = device.submitted.acquire(timeout=0.05)
    device.answer(0)
    device.wait_for_batch()

    assert not came_early
    assert [len(batch) for batch, _ in device.batches] == [1, 2]


def test_closing_submits_what_is_left(device, errors):
    feeder = start_feeder(device, errors, max_batch_age_seconds=60.0)
    put(feeder, progress_of(5), 0, 1, 2, 3)

    feeder.close()

    assert [len(batch) for batch, _ in device.batches] == [3, 1]


def test_a_failed_batch_gives_its_chunks_up_and_blames_no_image(feeder, device, errors):
    progress = progress_of(BATCH)
    put(feeder, progress, 0, 1, 2)

    device.batches[0][1].set_exception(DeviceError("gone"))

    with pytest.raises(DeviceError, match="gone"):
        progress.wait()
    assert [str(error) for error in errors] == ["gone"]


def test_images_of_a_chunk_that_was_given_up_take_no_room(feeder, device):
    given_up, wanted = progress_of(BATCH), progress_of(BATCH)
    given_up.give_up(DeviceError("gone"))

    put(feeder, given_up, 0, 1)
    put(feeder, wanted, 0, 1, 2)
    device.answer(0)

    assert len(wanted.wait()) == BATCH
    assert len(device.batches) == 1
