"""Recipes: the named ways from an image file to a network's input, each known by its digest."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.artifact_manifest import RecipeReference
from shared.errors import DecodeError, UsageError
from worker.preprocessing.center_crop import CROP_MARGIN, crop_box
from worker.preprocessing.decode import decode
from worker.preprocessing.pillow_decode import set_up_pillow
from worker.preprocessing.pillow_resize import resize_with_pillow
from worker.preprocessing.torch_resize import require_torch, resize_with_torch

#: Of ImageNet's training images, on a scale of 0 to 1, in RGB order. Normalisation is part of the
#: recipe, but done inside the compiled graph.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

#: Raised whenever a recipe's pixels change in a way that its other parameters do not show.
RECIPE_VERSION = 1
DEFAULT_MAX_IMAGE_PIXELS = 178_956_970

RecipeName = Literal["exact", "fast"]
Resize = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]

_RESIZERS: dict[RecipeName, Resize] = {"exact": resize_with_pillow, "fast": resize_with_torch}
_RESAMPLING: dict[RecipeName, str] = {
    "exact": "pillow bicubic, antialiased",
    "fast": "torch uint8 bicubic, antialiased",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way of making pixels; made by `open_recipe`, used by several threads at once."""

    name: RecipeName
    input_size: int
    max_image_pixels: int
    resize: Resize

    def pixels(self, data: bytes) -> NDArray[np.uint8]:
        """Return the network's input, uint8 RGB (S, S, 3) in C order.

        Raises:
            DecodeError: or the subclass of it that says why there are no pixels.
        """
        image = decode(data, max_pixels=self.max_image_pixels)
        height, width, _ = image.shape
        left, top, right, bottom = crop_box(width, height, self.input_size)
        if left == right or top == bottom:
            raise DecodeError(f"{width}x{height} is too small: its crop has no pixel")
        return self.resize(image[top:bottom, left:right], self.input_size)

    @property
    def specification(self) -> dict[str, object]:
        """Every parameter that decides what the network sees."""
        return {
            "version": RECIPE_VERSION,
            "name": self.name,
            "input_size": self.input_size,
            "colour": "first frame, RGB as by Pillow convert; EXIF orientation, alpha ignored",
            "crop": f"centre, S/(S+{CROP_MARGIN}) of the shorter side, edges rounded half to even",
            "crop_margin": CROP_MARGIN,
            "resampling": _RESAMPLING[self.name],
            "layout": "uint8_nhwc",
            "mean": list(IMAGENET_MEAN),
            "std": list(IMAGENET_STD),
        }

    @property
    def digest(self) -> str:
        """The sha256 (hex) of the specification as canonical JSON."""
        text = json.dumps(self.specification, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def reference(self) -> RecipeReference:
        """Return what a manifest keeps of this recipe."""
        return RecipeReference(name=self.name, input_size=self.input_size, digest=self.digest)


def open_recipe(
    name: str, input_size: int, *, max_image_pixels: int = DEFAULT_MAX_IMAGE_PIXELS
) -> Recipe:
    """Return a recipe by its name: `exact` or `fast`.

    Raises:
        UsageError: if there is no such recipe, or the size is no size.
        MissingExtra: if `fast` is asked for and torch is not installed.
    """
    if input_size < 1:
        raise UsageError(f"input size {input_size} is no size: give a positive number of pixels")
    if name not in _RESIZERS:
        raise UsageError(f"there is no recipe '{name}': choose one of {', '.join(_RESIZERS)}")
    if name == "fast":
        require_torch()
    set_up_pillow()
    return Recipe(
        name=name,
        input_size=input_size,
        max_image_pixels=max_image_pixels,
        resize=_RESIZERS[name],
    )
