"""The crop's box against Pillow's own rounding."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from tests.support.pillow_reference import reference_box
from worker.preprocessing.center_crop import crop_box

INPUT_SIZES = (8, 64, 224, 256, 320, 416)


def pillow_box(width: int, height: int, input_size: int) -> tuple[int, int, int, int]:
    """Read the box off what Pillow really cuts out of images that hold their coordinates."""
    box = reference_box(width, height, input_size)
    columns = np.arange(width, dtype=np.int32).reshape(1, -1)
    rows = np.arange(height, dtype=np.int32).reshape(-1, 1)
    across = Image.fromarray(columns).crop((box[0], 0, box[2], 1))
    down = Image.fromarray(rows).crop((0, box[1], 1, box[3]))
    return (
        *(_extent(np.asarray(across), across.width, box[0])),
        *(_extent(np.asarray(down), down.height, box[1])),
    )


def _extent(values: np.ndarray, length: int, start: float) -> tuple[int, int]:
    if length == 0:
        return int(start), int(start)
    return int(values.min()), int(values.max()) + 1


def assert_equal_to_pillow(width: int, height: int, input_size: int) -> None:
    left, right, top, bottom = pillow_box(width, height, input_size)
    assert crop_box(width, height, input_size) == (left, top, right, bottom)


@given(
    width=st.integers(1, 6000), height=st.integers(1, 6000), input_size=st.sampled_from(INPUT_SIZES)
)
@example(width=502, height=500, input_size=224)
@example(width=500, height=500, input_size=224)
@example(width=1, height=1, input_size=8)
def test_the_box_is_what_pillow_cuts(width, height, input_size):
    assert_equal_to_pillow(width, height, input_size)


@pytest.mark.parametrize("short_side", [4, 12, 300, 332, 500])
@pytest.mark.parametrize("difference", range(8))
def test_half_integral_sides_at_224_are_rounded_as_pillow_rounds_them(short_side, difference):
    assert_equal_to_pillow(short_side + difference, short_side, 224)
    assert_equal_to_pillow(short_side, short_side + difference, 224)


@pytest.mark.parametrize("short_side", [7, 21, 343, 497])
@pytest.mark.parametrize("difference", range(8))
def test_half_integral_sides_at_416_are_rounded_as_pillow_rounds_them(short_side, difference):
    assert_equal_to_pillow(short_side + difference, short_side, 416)
    assert_equal_to_pillow(short_side, short_side + difference, 416)


@pytest.mark.parametrize(
    ("input_size", "box"),
    [
        (224, (86, 23, 414, 351)),
        (256, (83, 21, 416, 354)),
        (320, (80, 17, 421, 358)),
        (416, (76, 13, 424, 361)),
    ],
)
def test_known_boxes_of_the_most_common_photo_size(input_size, box):
    assert crop_box(500, 375, input_size) == box


def test_a_crop_can_be_a_pixel_off_square():
    left, top, right, bottom = crop_box(502, 500, 224)

    assert (right - left, bottom - top) == (438, 437)


@given(width=st.integers(1, 6000), height=st.integers(1, 6000), input_size=st.integers(1, 1000))
def test_the_box_lies_within_the_image_and_is_square_but_for_a_pixel(width, height, input_size):
    left, top, right, bottom = crop_box(width, height, input_size)

    assert 0 <= left <= right <= width
    assert 0 <= top <= bottom <= height
    assert abs((right - left) - (bottom - top)) <= 1
