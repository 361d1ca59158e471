"""ResNeSt in torch: the network that every artifact is compiled from.

Keys, order and shapes of the state dict are those of the published weights. The network takes
normalised float NCHW and returns logits; normalisation, softmax and top-k are added when it is
compiled.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

from worker.models.split_attention import SplitAttentionConv
from worker.models.variants import NetworkShape, find_variant

EXPANSION = 4


def build(variant_name: str, *, classes: int) -> "ResNeSt":
    """Return the variant in evaluation mode, freshly initialised from torch's global generator.

    Raises:
        UsageError: if there is no such variant.
    """
    network = ResNeSt(find_variant(variant_name).shape, classes=classes)
    return network.eval()


class ResNeSt(nn.Module):
    """A deep stem, four stages of split-attention bottlenecks, a global pool and a classifier."""

    def __init__(self, shape: NetworkShape, *, classes: int) -> None:
        super().__init__()
        channels = shape.stem_width * 2
        self.conv1 = _stem(shape.stem_width)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        outputs = [planes * EXPANSION for planes in shape.planes]
        self.layer1 = _stage(channels, shape.planes[0], blocks=shape.blocks[0], stride=1)
        self.layer2 = _stage(outputs[0], shape.planes[1], blocks=shape.blocks[1], stride=2)
        self.layer3 = _stage(outputs[1], shape.planes[2], blocks=shape.blocks[2], stride=2)
        self.layer4 = _stage(outputs[2], shape.planes[3], blocks=shape.blocks[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(outputs[3], classes)
        _initialise(self)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (batch, classes) for normalised pixels (batch, 3, height, width)."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(pixels))))
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        logits: Tensor = self.fc(self.avgpool(features).flatten(1))
        return logits


class Bottleneck(nn.Module):
    """1x1, split-attention 3x3 and 1x1 convolutions beside a shortcut.

    Where the stride is 2 an average pool after the 3x3 convolution takes it, in place of that
    convolution ("avd").
    """

    def __init__(
        self, channels: int, planes: int, *, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = SplitAttentionConv(planes)
        self.avd_layer = nn.AvgPool2d(3, stride=stride, padding=1) if stride > 1 else None
        self.conv3 = nn.Conv2d(planes, planes * EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * EXPANSION)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the block's features at its stride."""
        residual = pixels if self.downsample is None else self.downsample(pixels)
        features = self.conv2(self.relu(self.bn1(self.conv1(pixels))))
        if self.avd_layer is not None:
            features = self.avd_layer(features)
        activated: Tensor = self.relu(self.bn3(self.conv3(features)) + residual)
        return activated


class ShortcutPool(nn.Module):
    """Average pooling that keeps odd edges, and a 1x1 map as it is.

    The second rule changes no value: it spares compilers a window larger than the map, which
    input sizes of 16 and less lead to and OpenVINO refuses.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the map, `stride` times smaller, rounded up."""
        if self.stride == 1 or pixels.shape[-2:] == (1, 1):
            return pixels
        return functional.avg_pool2d(pixels, self.stride, ceil_mode=True, count_include_pad=False)


def _stem(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width * 2, 3, padding=1, bias=False),
    )


def _stage(channels: int, planes: int, *, blocks: int, stride: int) -> nn.Sequential:
    shortcut = _shortcut(channels, planes * EXPANSION, stride=stride)
    first = Bottleneck(channels, planes, stride=stride, shortcut=shortcut)
    width = planes * EXPANSION
    rest = [Bottleneck(width, planes, stride=1, shortcut=None) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


def _shortcut(channels: int, width: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        ShortcutPool(stride),
        nn.Conv2d(channels, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )


def _initialise(network: nn.Module) -> None:
    """Draw convolution weights as the published networks did: the fan-out ignores groups."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            height, width = module.kernel_size
            fan_out = height * width * module.out_channels
            nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
