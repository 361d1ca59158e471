"""What a network costs: its parameters, its multiply-adds, and what the tool thop would count.

Counted by hooks on one forward pass without data (torch's meta device), so that any input size
is exact and cheap.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.models.resnest import ShortcutPool, build

_THOP_OPERATIONS_A_NORMALISED_ELEMENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Complexity:
    """The cost of one image.

    `multiply_adds` are those of convolutions and linear layers; biases, batch norms, pooling and
    the attention's blend are not counted. `thop_operations` is thop 0.1.1's figure: those, 4 for
    each element that a batch norm reads, 1 for each that a windowed average pool writes.
    """

    parameters: int
    multiply_adds: int
    thop_operations: int

    @property
    def seed_page_flops_giga(self) -> float:
        """The seed page's column "flops(G)": thop's operations x 2 / 0.9e9.

        It is neither FLOPs nor multiply-adds; it is here to be compared with that page.
        """
        return self.thop_operations * 2 / 0.9e9


def count(variant_name: str, *, classes: int, input_size: int) -> Complexity:
    """Count the variant at a square input size."""
    with torch.device("meta"):
        network = build(variant_name, classes=classes)
        pixels = torch.empty(1, 3, input_size, input_size)
    tally = _Tally()
    tally.watch(network)
    with torch.no_grad():
        network(pixels)
    return Complexity(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=tally.multiply_adds,
        thop_operations=tally.multiply_adds + tally.other_thop_operations,
    )


class _Tally:
    def __init__(self) -> None:
        self.multiply_adds = 0
        self.other_thop_operations = 0

    def watch(self, network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(self._add_products)
            elif isinstance(module, nn.BatchNorm2d):
                module.register_forward_hook(self._add_normalisation)
            elif isinstance(module, nn.AvgPool2d | ShortcutPool):
                module.register_forward_hook(self._add_pooling)

    def _add_products(self, module: nn.Module, _inputs: tuple[Tensor], output: Tensor) -> None:
        """Each output element is a dot product as long as one output channel's weights."""
        weight = module.get_parameter("weight")
        self.multiply_adds += output.numel() * math.prod(weight.shape[1:])

    def _add_normalisation(self, _module: nn.Module, inputs: tuple[Tensor], _out: Tensor) -> None:
        self.other_thop_operations += _THOP_OPERATIONS_A_NORMALISED_ELEMENT * inputs[0].numel()

    def _add_pooling(self, _module: nn.Module, _inputs: tuple[Tensor], output: Tensor) -> None:
        self.other_thop_operations += output.numel()
