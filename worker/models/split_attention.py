"""Split attention: a convolution into two radix splits, and a learnt blend of the two.

The block that gives ResNeSt its name. Every published variant has radix 2 and one cardinal group,
so both are fixed here; module names are those of the published state dicts.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

RADIX = 2
_REDUCTION = 4
_LEAST_INTER_CHANNELS = 32


def inter_channels(channels: int) -> int:
    """Return the width of the attention's bottleneck."""
    return max(channels * RADIX // _REDUCTION, _LEAST_INTER_CHANNELS)


class SplitAttentionConv(nn.Module):
    """A 3x3 convolution of C channels to C, whose radix splits are weighted per image and channel.

    Each split sees only its half of the input channels (`groups` = radix).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inter = inter_channels(channels)
        splits = channels * RADIX
        self.conv = nn.Conv2d(channels, splits, 3, padding=1, groups=RADIX, bias=False)
        self.bn0 = nn.BatchNorm2d(splits)
        self.relu = nn.ReLU(inplace=True)
        self.fc1 = nn.Conv2d(channels, inter, 1)
        self.bn1 = nn.BatchNorm2d(inter)
        self.fc2 = nn.Conv2d(inter, splits, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the blend of the splits, as large as the input."""
        features: Tensor = self.relu(self.bn0(self.conv(pixels)))
        first, second = features.chunk(RADIX, dim=1)
        pooled = functional.adaptive_avg_pool2d(first + second, 1)
        squeezed = self.relu(self.bn1(self.fc1(pooled)))
        weights = torch.softmax(self.fc2(squeezed).unflatten(1, (RADIX, -1)), dim=1)
        first_weight, second_weight = weights.unbind(dim=1)
        return first_weight * first + second_weight * second
