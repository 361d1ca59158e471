"""Weights drawn from a seed, for measurements of speed: they say nothing about images."""

import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.models.resnest import Bottleneck, ResNeSt, build

_BATCH = 16
_INPUT_SIZE = 64
#: The weight of a block's last normalisation: what each block adds to its shortcut.
_BRANCH_GAIN = 0.2
#: Of the logits over the batch below; photographs give several times that.
_LOGIT_DEVIATION = 0.25


def build_random(variant_name: str, *, classes: int, seed: int) -> ResNeSt:
    """Return the variant in evaluation mode with weights drawn from `seed`.

    The same seed gives the same network; torch's global generator is as it was afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = build(variant_name, classes=classes).eval()
        _calm(network)
    return network.eval()


def digest_of_tensors(network: nn.Module) -> str:
    """Return the sha256 (hex) of the state dict: each key, type, shape and value, in order."""
    digest = hashlib.sha256()
    for key, tensor in network.state_dict().items():
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _calm(network: ResNeSt) -> None:
    """Keep activations from growing block by block, and logits in the range of a trained network.

    Without it deep variants are chaotic: rounding alone changes every answer, and nothing compiled
    from them could be told from something broken.
    """
    for module in network.modules():
        if isinstance(module, Bottleneck):
            nn.init.constant_(module.bn3.weight, _BRANCH_GAIN)
    with torch.no_grad():
        logits = network(_image_like_batch()) - network.fc.bias
        centre = logits.mean(dim=0)
        factor = _LOGIT_DEVIATION / (logits - centre).std()
        network.fc.weight.mul_(factor)
        network.fc.bias.copy_(-centre * factor)


def _image_like_batch() -> Tensor:
    """Return normalised pixels: smooth colours with noise, as photographs roughly are."""
    smooth = functional.interpolate(
        torch.randn(_BATCH, 3, 8, 8), size=_INPUT_SIZE, mode="bilinear", align_corners=False
    )
    return smooth + 0.3 * torch.randn(_BATCH, 3, _INPUT_SIZE, _INPUT_SIZE)
