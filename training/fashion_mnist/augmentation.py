"""What training does to a batch of pixels: flips, small shifts, and the recipe's normalisation."""

import torch
from torch import Tensor

from worker.preprocessing.recipes import IMAGENET_MEAN, IMAGENET_STD

#: Furthest shift in input pixels: 2.6 pixels of a garment.
MAX_SHIFT = 6


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return the uint8 batch (images, S, S), each image flipped or not and shifted into black."""
    return shift(flip(pixels, generator), generator)


def flip(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return the batch with about half of its images mirrored left to right."""
    mirrored = torch.rand(len(pixels), 1, 1, generator=generator) < 0.5
    return torch.where(mirrored, pixels.flip(2), pixels)


def shift(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return the batch with each image moved by up to MAX_SHIFT both ways; what is bared is 0."""
    count, side, _ = pixels.shape
    padded = torch.nn.functional.pad(pixels, (MAX_SHIFT,) * 4)
    starts = torch.randint(0, 2 * MAX_SHIFT + 1, (2, count, 1), generator=generator)
    rows, columns = starts + torch.arange(side)
    images = torch.arange(count)[:, None, None]
    return padded[images, rows[:, :, None], columns[:, None, :]]


def normalise(pixels: Tensor) -> Tensor:
    """Return the network's input for a uint8 batch (images, S, S): float32 (images, 3, S, S)."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    scaled = (pixels[:, None].float() / 255 - mean) / std
    return scaled.contiguous(memory_format=torch.channels_last)
