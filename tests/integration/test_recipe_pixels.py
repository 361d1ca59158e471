"""Whole recipes against the plain Pillow reference: not one byte may differ (`fast`: 2 levels)."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.errors import DecodeError
from tests.support.image_corpus import encode, good_images, picture
from tests.support.make_self_test_images import make_self_test_images
from tests.support.pillow_reference import reference_pixels, reference_rgb
from worker.preprocessing.center_crop import crop_box
from worker.preprocessing.recipes import open_recipe
from worker.preprocessing.self_test_images import self_test_images
from worker.preprocessing.turbo_jpeg import decode_plain_jpeg

INPUT_SIZES = (8, 64, 224, 256, 320, 416)
NATIVE_SIZES = (224, 256, 320, 416)
FORMATS = (
    ("JPEG", ("L", "RGB", "CMYK")),
    ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA")),
    ("BMP", ("1", "L", "P", "RGB")),
    ("GIF", ("L", "P")),
    ("WEBP", ("RGB", "RGBA")),
    ("TIFF", ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")),
    ("PPM", ("L", "RGB")),
)
FORMATS_AND_MODES = [(image_format, mode) for image_format, modes in FORMATS for mode in modes]
GOOD = good_images()
PHOTO_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "photos"
PHOTOS = sorted(PHOTO_FOLDER.glob("*.JPEG")) if PHOTO_FOLDER.is_dir() else []
needs_photos = pytest.mark.skipif(
    not PHOTOS, reason="no real photographs beside the checkout (../shared/data/photos)"
)


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    format_and_mode=st.sampled_from(FORMATS_AND_MODES),
    input_size=st.sampled_from(INPUT_SIZES),
    seed=st.integers(0, 2**32),
)
def test_exact_equals_the_reference_for_any_size_and_mode(
    width, height, format_and_mode, input_size, seed
):
    image_format, mode = format_and_mode
    data = encode(picture(width, height, seed, mode), image_format)
    recipe = open_recipe("exact", input_size)
    left, top, right, bottom = crop_box(width, height, input_size)

    if left == right or top == bottom:
        with pytest.raises(DecodeError, match="too small"):
            recipe.pixels(data)
    else:
        np.testing.assert_array_equal(recipe.pixels(data), reference_pixels(data, input_size))


@pytest.mark.parametrize("input_size", INPUT_SIZES)
def test_exact_equals_the_reference_on_the_corpus(input_size):
    recipe = open_recipe("exact", input_size)

    different = [
        image.name
        for image in GOOD
        if not np.array_equal(recipe.pixels(image.data), reference_pixels(image.data, input_size))
    ]

    assert different == []


@needs_photos
@pytest.mark.parametrize("input_size", NATIVE_SIZES)
def test_exact_equals_the_reference_on_all_photos(input_size):
    recipe = open_recipe("exact", input_size)

    different = [
        path.name
        for path in PHOTOS
        if not np.array_equal(
            recipe.pixels(path.read_bytes()), reference_pixels(path.read_bytes(), input_size)
        )
    ]

    assert different == []


@needs_photos
def test_the_photos_go_the_quick_way():
    quick = sum(
        decode_plain_jpeg(path.read_bytes(), max_pixels=10**8) is not None for path in PHOTOS
    )

    assert quick >= 0.99 * len(PHOTOS)


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(3, 500),
    height=st.integers(3, 500),
    input_size=st.sampled_from(NATIVE_SIZES),
    seed=st.integers(0, 2**32),
)
def test_fast_is_within_two_levels_even_on_noise(width, height, input_size, seed):
    noise = np.random.default_rng(seed).integers(0, 2, (height, width, 3), np.uint8) * 255
    data = encode(Image.fromarray(noise), "PNG")

    fast = open_recipe("fast", input_size).pixels(data)

    assert fast.dtype == np.uint8
    assert fast.flags.c_contiguous
    assert fast.flags.writeable
    assert largest_difference(fast, reference_pixels(data, input_size)) <= 2


@needs_photos
@pytest.mark.parametrize("input_size", NATIVE_SIZES)
def test_fast_is_within_two_levels_on_photos_and_almost_always_equal(input_size):
    recipe = open_recipe("fast", input_size)
    for path in PHOTOS[::10]:
        data = path.read_bytes()
        reference = reference_pixels(data, input_size)
        fast = recipe.pixels(data)

        assert largest_difference(fast, reference) <= 2
        assert np.mean(fast != reference) < 0.05


def largest_difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max())


@pytest.mark.parametrize("name", ["exact", "fast"])
def test_four_threads_at_once_get_the_same_pixels(name):
    recipe = open_recipe(name, 224)
    start = threading.Barrier(4)

    def prepare_all(offset: int) -> dict[str, bytes]:
        start.wait()
        order = GOOD[offset:] + GOOD[:offset]
        return {image.name: recipe.pixels(image.data).tobytes() for image in order}

    alone = {image.name: recipe.pixels(image.data).tobytes() for image in GOOD}
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(prepare_all, (0, 30, 60, 90)))

    assert together == [alone] * 4


def test_torch_starts_no_team_of_threads_for_the_fast_recipe():
    import torch

    recipe = open_recipe("fast", 64)
    data = encode(picture(100, 80, 1), "PNG")

    def count_threads() -> int:
        torch.set_num_threads(3)
        recipe.pixels(data)
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(count_threads).result() == 1


def test_the_exact_recipe_never_loads_torch():
    script = """
import sys
from worker.preprocessing.recipes import open_recipe
from worker.preprocessing.self_test_images import self_test_images
for _, data in self_test_images():
    open_recipe("exact", 64).pixels(data)
print("torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


def test_the_committed_self_test_images_are_what_the_script_makes():
    made = make_self_test_images()
    shipped = dict(self_test_images())

    assert list(shipped) == list(made)
    for name, data in shipped.items():
        np.testing.assert_array_equal(reference_rgb(data), reference_rgb(made[name]))


def test_the_self_test_images_hold_what_they_are_for():
    images = dict(self_test_images())
    height, width, _ = reference_rgb(images["off_square_gray.png"]).shape
    left, top, right, bottom = crop_box(width, height, 224)

    assert sum(map(len, images.values())) < 200 * 1024
    assert right - left != bottom - top
    assert all(reference_pixels(data, 224).std() > 10 for data in images.values())


@pytest.mark.parametrize("input_size", INPUT_SIZES)
@pytest.mark.parametrize(("name", "data"), self_test_images())
def test_self_test_images_give_the_references_pixels(name, data, input_size):
    pixels = open_recipe("exact", input_size).pixels(data)

    np.testing.assert_array_equal(pixels, reference_pixels(data, input_size), err_msg=name)
