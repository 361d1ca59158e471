"""The preprocessing that published accuracies rest on, written plainly and with Pillow alone.

Facts: ResNeSt's scripts/torch/verify.py: Image.open, convert("RGB"), a centre crop whose box goes
to Pillow as floats, bicubic resize. Shares no code with the worker.
"""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def reference_rgb(data: bytes) -> NDArray[np.uint8]:
    """Return the whole image as RGB."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def reference_box(width: int, height: int, input_size: int) -> tuple[float, float, float, float]:
    """Return the crop's box as the reference hands it to Pillow: with floats."""
    ratio = input_size / (input_size + 32)
    crop_size = ratio * min(width, height)
    crop_top = round((height - crop_size) / 2.0)
    crop_left = round((width - crop_size) / 2.0)
    return crop_left, crop_top, crop_left + crop_size, crop_top + crop_size


def reference_pixels(data: bytes, input_size: int) -> NDArray[np.uint8]:
    """Return the pixels that the network sees."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data)).convert("RGB")
    cropped = image.crop(reference_box(image.width, image.height, input_size))
    return np.asarray(cropped.resize((input_size, input_size), Image.Resampling.BICUBIC))
