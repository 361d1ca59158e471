import math

import pytest

from producer.windows import chunk_size, enumeration_window, patience_seconds, publish_window
from shared.settings import Settings
from shared.store.artifacts import Capacity

SETTINGS = Settings(chunk_seconds=3.0, publish_window_seconds=15.0)
NOBODY = Capacity(workers=0, chunk_slots=0, images_per_second=0.0)


@pytest.mark.parametrize(
    ("images_per_second", "images"), [(0.1, 16), (10, 30), (70, 210), (5000, 512)]
)
def test_a_chunk_is_three_seconds_of_work_between_16_and_512_images(images_per_second, images):
    assert chunk_size(images_per_second, SETTINGS) == images


def test_the_window_is_fifteen_seconds_of_all_workers():
    two = Capacity(workers=2, chunk_slots=8, images_per_second=2000.0)

    assert publish_window(300, two, SETTINGS) == 100
    assert enumeration_window(300, two, SETTINGS) == 400


def test_the_window_keeps_every_slot_busy_and_is_open_a_little_without_workers():
    slow = Capacity(workers=2, chunk_slots=8, images_per_second=1.0)

    assert publish_window(16, slow, SETTINGS) == 16
    assert publish_window(16, NOBODY, SETTINGS) == 4


def test_messages_count_as_lost_only_after_the_queue_should_have_drained():
    busy = Capacity(workers=1, chunk_slots=4, images_per_second=100.0)

    assert patience_seconds(2000, busy) == 100.0
    assert patience_seconds(16, busy) == 5.0
    assert patience_seconds(64, NOBODY) == math.inf
