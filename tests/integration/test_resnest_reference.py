"""The network against the PyPI package `resnest`, which its authors published."""

from dataclasses import dataclass

import pytest
import resnest.torch
import torch
from torch import Tensor, nn

from worker.models.complexity import count
from worker.models.resnest import build
from worker.models.variants import VARIANTS

pytestmark = pytest.mark.usefixtures("one_torch_thread")

STAGES = ["conv1", "maxpool", "layer1", "layer2", "layer3", "layer4"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    entries: int
    parameter_tensors: int
    buffer_elements: int
    parameters: int
    multiply_adds_giga: dict[int, float]
    thop_operations: int


PUBLISHED = {
    "resnest50": Published(
        entries=476,
        parameter_tensors=263,
        buffer_elements=64_647,
        parameters=27_483_240,
        multiply_adds_giga={224: 5.371161, 256: 7.014189, 320: 10.957457, 416: 18.515388},
        thop_operations=5_429_297_024,
    ),
    "resnest101": Published(
        entries=935,
        parameter_tensors=518,
        buffer_elements=130_251,
        parameters=48_275_016,
        multiply_adds_giga={224: 10.200566, 256: 13.321472, 320: 20.811647, 416: 35.167816},
        thop_operations=13_437_257_600,
    ),
    "resnest200": Published(
        entries=1826,
        parameter_tensors=1013,
        buffer_elements=218_703,
        parameters=70_201_544,
        multiply_adds_giga={224: 17.408412, 256: 22.735260, 320: 35.519695, 416: 60.023196},
        thop_operations=35_852_574_080,
    ),
    "resnest269": Published(
        entries=2447,
        parameter_tensors=1358,
        buffer_elements=314_795,
        parameters=110_929_480,
        multiply_adds_giga={224: 22.434122, 256: 29.298444, 320: 45.772818, 416: 77.348702},
        thop_operations=78_039_669_120,
    ),
}
SIZES = [(name, size) for name, known in PUBLISHED.items() for size in known.multiply_adds_giga]


def reference(name):
    return getattr(resnest.torch, name)(pretrained=False)


def settle_statistics(network, images):
    """One forward pass in training mode, after which the running statistics are the batch's."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(images)
    network.eval()


def stages_and_logits(network, images):
    maps: dict[str, Tensor] = {}
    for name in STAGES:
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: maps.__setitem__(name, output.clone())
        )
    with torch.no_grad():
        return maps | {"logits": network(images)}


@pytest.mark.parametrize(
    "name",
    [
        "resnest50",
        pytest.param("resnest101", marks=pytest.mark.long),
        pytest.param("resnest200", marks=pytest.mark.long),
        pytest.param("resnest269", marks=pytest.mark.long),
    ],
)
def test_logits_and_every_stage_are_those_of_the_reference_at_native_size(name):
    size = VARIANTS[name].native_input_size
    torch.manual_seed(5)
    images = torch.randn(2, 3, size, size)
    theirs = reference(name)
    settle_statistics(theirs, images)
    ours = build(name, classes=1000)

    ours.load_state_dict(theirs.state_dict(), strict=True)
    expected, found = stages_and_logits(theirs, images), stages_and_logits(ours, images)

    assert expected["logits"].std() > 0.05
    assert list(found) == [*STAGES, "logits"]
    for stage, value in expected.items():
        difference = (value - found[stage]).abs().max()
        assert difference <= 1e-5 * value.abs().max(), stage


@pytest.mark.parametrize("name", PUBLISHED)
def test_keys_order_and_shapes_are_those_of_the_reference(name):
    with torch.device("meta"):
        theirs, ours = reference(name), build(name, classes=1000)

    assert [(key, value.shape, value.dtype) for key, value in ours.state_dict().items()] == [
        (key, value.shape, value.dtype) for key, value in theirs.state_dict().items()
    ]


@pytest.mark.parametrize("name", PUBLISHED)
def test_entries_tensors_and_buffers_are_as_many_as_published(name):
    known = PUBLISHED[name]
    with torch.device("meta"):
        network = build(name, classes=1000)

    assert len(network.state_dict()) == known.entries
    assert len(list(network.parameters())) == known.parameter_tensors
    assert sum(buffer.numel() for buffer in network.buffers()) == known.buffer_elements


def test_one_seed_initialises_both_networks_alike():
    torch.manual_seed(11)
    theirs = reference("resnest50").state_dict()
    torch.manual_seed(11)
    ours = build("resnest50", classes=1000).state_dict()

    assert [key for key in theirs if not torch.equal(theirs[key], ours[key])] == []


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_parameters_and_multiply_adds_are_exact(name, size):
    known = PUBLISHED[name]

    complexity = count(name, classes=1000, input_size=size)

    assert complexity.parameters == known.parameters
    assert round(complexity.multiply_adds / 1e9, 6) == known.multiply_adds_giga[size]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_operations_that_thop_counts_are_exact_at_native_size(name):
    size = VARIANTS[name].native_input_size

    complexity = count(name, classes=1000, input_size=size)

    assert complexity.thop_operations == PUBLISHED[name].thop_operations
