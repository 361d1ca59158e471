"""Fashion-MNIST's canvases, files and archive."""

import io
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pytest
from PIL import Image

from shared.errors import SourceError
from training.fashion_mnist.dataset import CLASSES, Garments, first_of_each_class, parse_idx
from training.fashion_mnist.image_files import (
    CANVAS_SIDE,
    INPUT_SIZE,
    image_archive,
    place_on_canvas,
    png_bytes,
    png_files,
)
from training.fashion_mnist.pixels import recipe_pixels
from worker.preprocessing.center_crop import crop_box
from worker.preprocessing.recipes import open_recipe


@pytest.fixture
def garments():
    random = np.random.default_rng(2017)
    images = random.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    return Garments(images=images, labels=np.arange(30, dtype=np.uint8) % 10)


def test_the_crop_of_a_canvas_is_exactly_the_garment():
    garment = np.full((28, 28), 255, np.uint8)

    left, top, right, bottom = crop_box(CANVAS_SIDE, CANVAS_SIDE, INPUT_SIZE)
    canvas = place_on_canvas(garment)

    assert (canvas[top:bottom, left:right] == 255).all()
    canvas[top:bottom, left:right] = 0
    assert canvas.shape == (42, 42)
    assert not canvas.any()


def test_the_recipe_lets_no_border_pixel_in():
    white = png_bytes(np.full((28, 28), 255, np.uint8))

    pixels = open_recipe("exact", INPUT_SIZE).pixels(white)

    assert pixels.shape == (64, 64, 3)
    assert (pixels == 255).all()


def test_the_recipe_gives_the_garment_alone_resampled(garments):
    expected = [
        np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC))
        for image in garments.images
    ]

    pixels = recipe_pixels(garments)

    assert np.array_equal(pixels, expected)


def test_a_png_holds_the_canvas_unchanged(garments):
    with Image.open(io.BytesIO(png_bytes(garments.images[0]))) as image:
        mode, stored = image.mode, np.asarray(image)

    assert mode == "L"
    assert np.array_equal(stored, place_on_canvas(garments.images[0]))


def test_classes_are_those_of_the_data_set_in_its_order():
    ids = [class_id for class_id, _ in CLASSES]

    assert ids == [
        *("t-shirt_top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle_boot"),
    ]
    assert all(PurePosixPath(class_id).name == class_id for class_id in ids)


def test_an_image_lies_in_the_folder_of_its_class_under_its_index(garments):
    names = [name for name, _ in png_files(garments, [3, 29])]

    assert names == ["dress/00003.png", "ankle_boot/00029.png"]


def test_the_first_images_of_each_class_are_chosen(garments):
    assert first_of_each_class(garments.labels, 2) == list(range(20))


def test_an_idx_file_is_read():
    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(6))

    assert parse_idx(content, (2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes([0, 0, 9, 1, 0, 0, 0, 2, 1, 2]), id="signed bytes"),
        pytest.param(bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2]), id="another shape"),
        pytest.param(bytes([0, 0, 8, 1, 0, 0, 0, 2, 1]), id="cut off"),
        pytest.param(bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 2, 3]), id="too long"),
    ],
)
def test_a_broken_idx_file_is_refused(content):
    with pytest.raises(SourceError, match="shape"):
        parse_idx(content, (2,))


def test_an_archive_of_the_same_images_has_the_same_bytes(garments):
    assert image_archive(garments, range(20)) == image_archive(garments, reversed(range(20)))


def test_an_archive_does_not_know_when_it_was_made(garments):
    with zipfile.ZipFile(io.BytesIO(image_archive(garments, range(20)))) as archive:
        entries = archive.infolist()

    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert [entry.filename for entry in entries] == sorted(
        name for name, _ in png_files(garments, range(20))
    )
