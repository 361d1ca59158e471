"""The resampler of the `exact` recipe: Pillow's bicubic, which the reference uses."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize_with_pillow(crop: NDArray[np.uint8], input_size: int) -> NDArray[np.uint8]:
    """Return the crop resampled to (S, S, 3) as the reference does it."""
    height, width, _ = crop.shape
    image = Image.frombytes("RGB", (width, height), crop.tobytes())
    return np.array(image.resize((input_size, input_size), Image.Resampling.BICUBIC))
