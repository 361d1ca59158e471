"""Weights drawn from a seed, for measurements of speed: they say nothing about images."""

import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.models.resnest import Bottleneck, ResNeSt, build

_INPUT_SIZE = 64
_IMAGES_A_KIND = 8
_SMOOTH_SIDES = (2, 8, 32)
_DARKEST, _BRIGHTEST = -2.1, 2.6
"""What normalised pixels lie between."""
_BRANCH_GAIN = 0.1
"""Weight of each block's last batch norm. At 1 an untrained network multiplies the difference
between two images block by block: rounding alone changes every answer, and resnest269's logits for
a photograph reach 600,000."""
_LOGIT_DEVIATION = 1.5
"""Between images; photographs then get probabilities that a drift can be seen in."""


def build_random(variant_name: str, *, classes: int, seed: int) -> ResNeSt:
    """Return the variant in evaluation mode with weights and statistics from `seed`.

    The same seed gives the same network; torch's global generator is as it was afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = build(variant_name, classes=classes)
        _settle(network)
    return network


def digest_of_tensors(network: nn.Module) -> str:
    """Return the sha256 (hex) of the state dict: each key, type, shape and value, in order."""
    digest = hashlib.sha256()
    for key, tensor in network.state_dict().items():
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _settle(network: ResNeSt) -> None:
    """Quieten the branches, then fit statistics and classifier to one batch."""
    for block in network.modules():
        if isinstance(block, Bottleneck):
            nn.init.constant_(block.bn3.weight, _BRANCH_GAIN)
    images = _varied_batch()
    with torch.no_grad():
        _fit_statistics(network, images)
        _fit_classifier(network, images)


def _fit_statistics(network: ResNeSt, images: Tensor) -> None:
    """Make every running statistic that of the batch, which momentum 1 does."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def _fit_classifier(network: ResNeSt, images: Tensor) -> None:
    """Centre the logits of each class over the batch, and scale them."""
    logits = network(images) - network.fc.bias
    centre = logits.mean(dim=0)
    factor = _LOGIT_DEVIATION / (logits - centre).std()
    network.fc.weight.mul_(factor)
    network.fc.bias.copy_(-centre * factor)


def _varied_batch() -> Tensor:
    """Return normalised pixels: colours that vary slowly, faster and fast, and plain noise."""
    span = _BRIGHTEST - _DARKEST
    noise = torch.rand(_IMAGES_A_KIND, 3, _INPUT_SIZE, _INPUT_SIZE) * span + _DARKEST
    smooth = [_smooth_images(side) for side in _SMOOTH_SIDES]
    return torch.cat([*smooth, noise]).clamp(_DARKEST, _BRIGHTEST)


def _smooth_images(side: int) -> Tensor:
    """Return images of random colour, contrast and grain that vary on a grid of that side."""
    each = (_IMAGES_A_KIND, 1, 1, 1)
    colour = torch.randn(_IMAGES_A_KIND, 3, 1, 1)
    pattern = functional.interpolate(
        torch.randn(_IMAGES_A_KIND, 3, side, side), size=_INPUT_SIZE, mode="bilinear"
    )
    grain = torch.randn(_IMAGES_A_KIND, 3, _INPUT_SIZE, _INPUT_SIZE)
    return colour + 1.2 * torch.rand(each) * pattern + 0.6 * torch.rand(each) * grain
