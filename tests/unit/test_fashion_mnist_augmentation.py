"""What training does to the pixels of its images."""

import numpy as np
import pytest
import torch

from training.fashion_mnist.augmentation import MAX_SHIFT, augment, flip, normalise, shift


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


@pytest.fixture
def pixels():
    random = np.random.default_rng(5)
    return torch.from_numpy(random.integers(1, 256, (64, 64, 64), dtype=np.uint8))


def test_each_image_is_mirrored_whole_or_left_alone(pixels, generator):
    flipped = flip(pixels, generator)

    mirrored = (flipped == pixels.flip(2)).flatten(1).all(1)
    same = (flipped == pixels).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 16 < mirrored.sum() < 48


def test_a_shift_moves_an_image_within_bounds_and_bares_black(pixels, generator):
    shifted = shift(pixels, generator)

    offsets = set()
    for before, after in zip(pixels, shifted, strict=True):
        rows, columns = (after != 0).any(1).nonzero(), (after != 0).any(0).nonzero()
        height, width = 64 - len(rows), 64 - len(columns)
        down, right = int(rows[0]), int(columns[0])
        moved = before[height - down : 64 - down, width - right : 64 - right]
        assert (after[after != 0] == moved.flatten()).all()
        assert max(height, width) <= MAX_SHIFT
        offsets.add((height, width, down, right))
    assert len(offsets) > 32


def test_augmentation_changes_no_shape_or_type(pixels, generator):
    augmented = augment(pixels, generator)

    assert augmented.shape == pixels.shape
    assert augmented.dtype == torch.uint8


def test_pixels_are_normalised_as_the_published_networks_expect():
    gray = normalise(torch.tensor([[[0, 255]]], dtype=torch.uint8))

    assert gray.shape == (1, 3, 1, 2)
    expected = [
        [(value - mean) / std for value in (0.0, 1.0)]
        for mean, std in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
    ]
    assert np.allclose(gray[0, :, 0], expected, atol=1e-6)
