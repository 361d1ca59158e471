"""What a recipe says of itself, and what it refuses."""

import sys

import numpy as np
import pytest

from shared.artifact_manifest import RecipeReference
from shared.errors import DecodeError, MissingExtra, UsageError
from tests.support.image_corpus import encode, picture
from worker.preprocessing import recipes
from worker.preprocessing.recipes import open_recipe


def test_a_digest_is_the_same_for_the_same_recipe_whatever_the_limit_of_pixels():
    assert (
        open_recipe("exact", 224).digest == open_recipe("exact", 224, max_image_pixels=10**6).digest
    )


def test_digests_differ_by_name_and_by_input_size():
    digests = {open_recipe(name, size).digest for name in ("exact", "fast") for size in (224, 256)}

    assert len(digests) == 4


@pytest.mark.parametrize(
    ("constant", "value"),
    [("RECIPE_VERSION", 999), ("CROP_MARGIN", 31), ("IMAGENET_MEAN", (0, 0, 0))],
)
def test_a_digest_changes_with_every_parameter(monkeypatch, constant, value):
    before = open_recipe("exact", 224).digest

    monkeypatch.setattr(recipes, constant, value)

    assert open_recipe("exact", 224).digest != before


def test_the_reference_is_what_a_manifest_keeps():
    recipe = open_recipe("exact", 320)

    assert recipe.reference() == RecipeReference(name="exact", input_size=320, digest=recipe.digest)


def test_pixels_are_bytes_in_c_order_of_the_input_size_and_the_callers_own():
    pixels = open_recipe("exact", 64).pixels(encode(picture(90, 70, 1), "PNG"))

    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


def test_an_image_whose_crop_has_no_pixel_is_a_decode_error():
    recipe = open_recipe("exact", 8)

    with pytest.raises(DecodeError, match="1x1 is too small"):
        recipe.pixels(encode(picture(1, 1, 1), "PNG"))


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(UsageError, match="'quick': choose one of exact, fast"):
        open_recipe("quick", 224)


def test_an_input_size_of_nothing_is_refused():
    with pytest.raises(UsageError, match="input size 0"):
        open_recipe("exact", 0)


def test_fast_without_torch_names_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(MissingExtra, match=r"pip install 'nestor\[fast\]'"):
        open_recipe("fast", 224)
