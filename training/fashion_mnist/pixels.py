"""The pixels the network is trained on: those of the very recipe that workers use, cached once."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import SourceError
from training.fashion_mnist.dataset import Garments, Split, read_garments
from training.fashion_mnist.image_files import INPUT_SIZE, png_bytes
from worker.preprocessing.recipes import open_recipe

RECIPE = "exact"


def recipe_pixels(garments: Garments) -> NDArray[np.uint8]:
    """Return uint8 (count, 64, 64): what the recipe makes of each image's PNG file.

    One channel is kept of three equal ones.

    Raises:
        SourceError: if the three differ for some image.
    """
    recipe = open_recipe(RECIPE, INPUT_SIZE)
    planes = np.empty((len(garments.images), INPUT_SIZE, INPUT_SIZE), np.uint8)
    for index, garment in enumerate(garments.images):
        pixels = recipe.pixels(png_bytes(garment))
        if not (pixels == pixels[..., :1]).all():
            raise SourceError(f"the recipe gave image {index} a colour")
        planes[index] = pixels[..., 0]
    return planes


def cached_pixels(split: Split, *, data_folder: Path, cache_folder: Path) -> NDArray[np.uint8]:
    """Return `recipe_pixels` of a split, from the cache once the recipe has made them."""
    digest = open_recipe(RECIPE, INPUT_SIZE).digest
    path = cache_folder / f"{split}-{digest[:12]}.npy"
    if not path.exists():
        cache_folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part.npy")
        np.save(unfinished, recipe_pixels(read_garments(split, data_folder)))
        unfinished.rename(path)
    pixels: NDArray[np.uint8] = np.load(path)
    return pixels
