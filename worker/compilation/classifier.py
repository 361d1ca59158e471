"""The network with everything a device does for an image: pixels in, probabilities or top-k out."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.preprocessing.recipes import IMAGENET_MEAN, IMAGENET_STD

#: A graph answers at most this many classes an image.
MAX_TOPK = 10
#: Images a step of the eager reference: bounds its memory.
_REFERENCE_BATCH = 8


class Probabilities(nn.Module):
    """uint8 (images, S, S, 3) RGB to fp32 probabilities, whatever the network computes in."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network.to(dtype=dtype)
        self._dtype = dtype
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(IMAGENET_STD) * 255))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise in fp32, run the network, take the softmax in fp32."""
        normalised = (pixels.to(torch.float32) - self.mean) * self.scale
        logits: Tensor = self.network(normalised.permute(0, 3, 1, 2).to(self._dtype))
        return torch.softmax(logits.to(torch.float32), dim=1)


class TopClasses(nn.Module):
    """The best classes of `Probabilities`: int32 indices and fp32 probabilities, best first."""

    def __init__(self, probabilities: Probabilities, *, topk: int) -> None:
        super().__init__()
        self.probabilities = probabilities
        self._topk = topk

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Sort by a stable sort: it keeps equal ones in order of index, torch.topk does not."""
        ordered = torch.sort(self.probabilities(pixels), dim=1, descending=True, stable=True)
        best = slice(0, self._topk)
        return ordered.indices[:, best].to(torch.int32), ordered.values[:, best]


def expected_probabilities(
    probabilities: Probabilities,
    pixels: NDArray[np.uint8],
    *,
    advance: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """Run torch eagerly in fp32: what every compiled graph is measured against.

    `advance` is called once an image.
    """
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), _REFERENCE_BATCH):
            batch = torch.from_numpy(pixels[start : start + _REFERENCE_BATCH])
            parts.append(probabilities(batch).numpy())
            for _ in batch:
                advance()
    return np.concatenate(parts).astype(np.float32)
