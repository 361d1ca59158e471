"""The resampler of the `fast` recipe: torch's antialiased bicubic on bytes; needs torch."""

import importlib.util
import threading

import numpy as np
from numpy.typing import NDArray

from shared.errors import MissingExtra

_thread = threading.local()


def require_torch() -> None:
    """Refuse early where torch is not installed; does not load it.

    Raises:
        MissingExtra: naming the extra to install.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra(extra="fast", purpose="the recipe 'fast'")


def resize_with_torch(crop: NDArray[np.uint8], input_size: int) -> NDArray[np.uint8]:
    """Return the crop resampled to (S, S, 3).

    Within 2 grey levels of Pillow for crops that are square or a pixel off; it rounds oblong ones
    (which no recipe makes) differently.
    """
    import torch

    if not getattr(_thread, "is_single", False):
        # Each decode thread is one of several: none may start a team of its own.
        torch.set_num_threads(1)
        _thread.is_single = True
    planes = torch.from_numpy(crop.copy()).permute(2, 0, 1).unsqueeze(0)
    resized = torch.nn.functional.interpolate(
        planes, (input_size, input_size), mode="bicubic", antialias=True
    )
    pixels: NDArray[np.uint8] = resized[0].permute(1, 2, 0).contiguous().numpy()
    return pixels
