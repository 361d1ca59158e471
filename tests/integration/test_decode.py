"""Decoding: the same pixels as Pillow's whichever decoder makes them, and a reason for the rest."""

import contextlib
import struct
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.errors import DecodeError, TooManyPixels
from tests.support.image_corpus import (
    bad_images,
    encode,
    good_images,
    picture,
    plain_jpegs,
    png_of_declared_size,
)
from tests.support.pillow_reference import reference_rgb
from worker.preprocessing.decode import decode
from worker.preprocessing.pillow_decode import decode_with_pillow, set_up_pillow
from worker.preprocessing.turbo_jpeg import decode_plain_jpeg

MAX_PIXELS = 10**6
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error)
GOOD = good_images()
BAD = bad_images()
REASONS = {
    "empty",
    "not_an_image",
    "truncated",
    "too_many_pixels",
    "unsupported_mode",
    "decode_failed",
}


@pytest.fixture(autouse=True)
def _pillow_is_set_up():
    set_up_pillow()


@pytest.mark.parametrize("image", GOOD, ids=lambda image: image.name)
def test_pixels_are_pillows(image):
    pixels = decode(image.data, max_pixels=MAX_PIXELS)

    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, reference_rgb(image.data))


@pytest.mark.parametrize("image", GOOD, ids=lambda image: image.name)
def test_pillow_alone_gives_the_same_pixels(image):
    pixels = decode_with_pillow(image.data, max_pixels=MAX_PIXELS)

    np.testing.assert_array_equal(pixels, reference_rgb(image.data))


@pytest.mark.parametrize("image", BAD, ids=lambda image: image.name)
def test_a_bad_image_gives_its_reason(image):
    with pytest.raises(DecodeError) as caught:
        decode(image.data, max_pixels=MAX_PIXELS)

    assert caught.value.reason == image.reason
    assert "\n" not in str(caught.value)


@settings(max_examples=400, deadline=None)
@given(
    image=st.sampled_from(GOOD),
    place=st.floats(0, 1, exclude_max=True),
    garbage=st.binary(min_size=1, max_size=4),
)
def test_a_damaged_file_gives_pillows_pixels_or_a_reason_where_pillow_fails(image, place, garbage):
    position = int(place * len(image.data))
    data = image.data[:position] + garbage + image.data[position + len(garbage) :]

    try:
        pixels = decode(data, max_pixels=MAX_PIXELS)
    except TooManyPixels:
        return
    except DecodeError:
        with pytest.raises(PILLOW_ERRORS):
            reference_rgb(data)
    else:
        np.testing.assert_array_equal(pixels, reference_rgb(data))


def test_every_reason_of_the_decode_stage_is_in_the_corpus_or_tested_for_sizes():
    assert {image.reason for image in BAD} | {"too_many_pixels"} == REASONS


def test_every_ordinary_jpeg_goes_the_quick_way():
    slow = [
        image.name
        for image in plain_jpegs()
        if decode_plain_jpeg(image.data, max_pixels=MAX_PIXELS) is None
    ]

    assert slow == []


@pytest.mark.parametrize(
    "name", ["cmyk.jpg", "cmyk-without-adobe.jpg", "ycck-444.jpg", "ycck-420.jpg", "RGB.png"]
)
def test_what_the_quick_way_cannot_do_is_left_to_pillow(name):
    (image,) = [image for image in GOOD if image.name == name]

    assert decode_plain_jpeg(image.data, max_pixels=MAX_PIXELS) is None


@pytest.mark.parametrize("image", [image for image in BAD if image.name.endswith(".jpg")], ids=str)
def test_the_quick_way_never_makes_pixels_of_a_bad_jpeg(image):
    assert decode_plain_jpeg(image.data, max_pixels=MAX_PIXELS) is None


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_the_limit_of_pixels_is_inclusive_in_every_format(image_format):
    data = encode(picture(50, 40, 1), image_format)

    assert decode(data, max_pixels=2000).shape == (40, 50, 3)
    with pytest.raises(TooManyPixels, match="50x40"):
        decode(data, max_pixels=1999)


def test_a_declared_size_is_refused_before_any_pixel_is_decoded():
    data = png_of_declared_size(60_000, 60_000)

    with pytest.raises(TooManyPixels):
        decode(data, max_pixels=178_956_970)


def test_an_image_above_pillows_own_limits_is_only_a_matter_of_ours():
    side = 13_400  # above twice the limit at which Pillow refuses by default
    data = encode(Image.new("1", (side, side)), "PNG")

    with pytest.raises(TooManyPixels):
        decode(data, max_pixels=side * side - 1)


def test_nothing_is_printed_about_bad_and_odd_jpegs(capfd):
    for image in (*GOOD, *BAD):
        if image.name.endswith(".jpg"):
            with contextlib.suppress(DecodeError):
                decode(image.data, max_pixels=MAX_PIXELS)

    assert capfd.readouterr() == ("", "")


def test_a_warning_of_pillows_about_metadata_is_neither_an_error_nor_printed(capfd):
    corrupt = next(image for image in GOOD if image.name == "exif-corrupt.jpg")
    malformed = next(image for image in GOOD if image.name == "malformed-mpo.jpg")

    for image in (corrupt, malformed):
        decode_with_pillow(image.data, max_pixels=MAX_PIXELS)

    assert capfd.readouterr() == ("", "")


def test_transparency_is_dropped_without_a_warning_even_where_warnings_are_errors():
    warnings.simplefilter("error")
    images = [image for image in GOOD if image.name.startswith("palette-transparent")]

    shapes = {decode(image.data, max_pixels=MAX_PIXELS).shape for image in images}

    assert shapes == {(50, 64, 3)}


def test_four_threads_at_once_get_the_same_pixels_and_reasons():
    images = [*GOOD, *BAD]
    start = threading.Barrier(4)

    def decode_all(offset: int) -> dict[str, object]:
        start.wait()
        order = images[offset:] + images[:offset]
        return {image.name: _outcome(image.data) for image in order}

    alone = {image.name: _outcome(image.data) for image in images}
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(decode_all, (0, 30, 60, 90)))

    assert together == [alone] * 4


def _outcome(data: bytes) -> object:
    try:
        pixels = decode(data, max_pixels=MAX_PIXELS)
    except DecodeError as error:
        return error.reason
    return pixels.shape, pixels.tobytes()


def test_without_simplejpeg_pillow_decodes_everything_to_the_same_pixels():
    script = """
import sys
sys.modules["simplejpeg"] = None
from worker.preprocessing.recipes import open_recipe
from worker.preprocessing.self_test_images import self_test_images
from worker.preprocessing.turbo_jpeg import decode_plain_jpeg
import hashlib
recipe = open_recipe("exact", 224)
for name, data in self_test_images():
    assert decode_plain_jpeg(data, max_pixels=10**9) is None
    print(name, hashlib.sha256(recipe.pixels(data)).hexdigest())
"""
    without = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    with_it = subprocess.run(
        [
            sys.executable,
            "-c",
            script.replace('sys.modules["simplejpeg"] = None', "").replace("    assert", "    #"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert len(without.stdout.splitlines()) == 8
    assert without.stdout == with_it.stdout
