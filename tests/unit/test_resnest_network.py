import pytest
import torch
from torch import nn

from shared.errors import UsageError
from worker.models.resnest import Bottleneck, ShortcutPool, build
from worker.models.split_attention import SplitAttentionConv, inter_channels


@pytest.fixture(autouse=True)
def _no_gradients(one_torch_thread):
    with torch.no_grad():
        yield


def tiny(classes=10, *, seed=0):
    torch.manual_seed(seed)
    return build("resnest_tiny", classes=classes)


@pytest.mark.parametrize("name", ["resnest14d", "resnest26d", "resnest50", "resnest_tiny"])
def test_a_variant_is_built_for_any_number_of_classes(name):
    with torch.device("meta"):
        network = build(name, classes=7)
        logits = network(torch.empty(2, 3, 64, 64))

    assert logits.shape == (2, 7)
    assert not network.training


@pytest.mark.parametrize(
    ("name", "parameters"), [("resnest14d", 10_611_688), ("resnest26d", 17_069_448)]
)
def test_the_small_variants_have_the_published_number_of_parameters(name, parameters):
    with torch.device("meta"):
        network = build(name, classes=1000)

    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_the_tiny_variant_stays_under_a_million_parameters():
    with torch.device("meta"):
        network = build("resnest_tiny", classes=1000)

    assert sum(parameter.numel() for parameter in network.parameters()) < 1_000_000


def test_an_unknown_variant_is_refused():
    with pytest.raises(UsageError, match="no variant 'resnest51'"):
        build("resnest51", classes=10)


def test_one_seed_gives_one_network():
    first, again, other = tiny().state_dict(), tiny().state_dict(), tiny(seed=1).state_dict()

    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["conv1.0.weight"], other["conv1.0.weight"])


@pytest.mark.parametrize("size", [1, 8, 16, 33, 64, 65])
def test_any_input_size_gives_finite_logits(size):
    logits = tiny()(torch.randn(2, 3, size, size))

    assert logits.shape == (2, 10)
    assert bool(torch.isfinite(logits).all())


def test_an_image_gets_the_same_logits_alone_and_in_a_batch():
    network, images = tiny(), torch.randn(3, 3, 64, 64)

    together = network(images)
    alone = torch.cat([network(image[None]) for image in images])

    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_convolutions_are_drawn_by_a_fan_out_that_ignores_groups():
    weight = tiny().layer3[0].conv2.conv.weight  # 64 channels to 128 in two groups of 3x3

    expected = (2 / (3 * 3 * 128)) ** 0.5
    assert weight.shape == (128, 32, 3, 3)
    assert weight.std().item() == pytest.approx(expected, rel=0.02)
    assert abs(weight.mean().item()) < expected / 50


@pytest.mark.parametrize(
    ("channels", "inter"), [(16, 32), (64, 32), (96, 48), (128, 64), (256, 128), (512, 256)]
)
def test_the_attention_narrows_to_half_its_channels_but_never_below_32(channels, inter):
    assert inter_channels(channels) == inter
    assert SplitAttentionConv(channels).fc1.out_channels == inter


def attention_of(scores):
    """Split attention over 8 channels that gives these scores whatever it sees."""
    attention = SplitAttentionConv(8).eval()
    nn.init.zeros_(attention.fc2.weight)
    attention.fc2.bias = nn.Parameter(scores)
    return attention


def test_undecided_attention_gives_the_mean_of_the_splits():
    attention = attention_of(torch.zeros(16))
    pixels = torch.randn(2, 8, 5, 5)

    first, second = attention.relu(attention.bn0(attention.conv(pixels))).chunk(2, dim=1)

    torch.testing.assert_close(attention(pixels), (first + second) / 2)


@pytest.mark.parametrize("chosen", [0, 1])
def test_decided_attention_gives_one_split_for_each_channel(chosen):
    favour = torch.zeros(16)
    favour[chosen * 8 : chosen * 8 + 8] = 200.0
    attention = attention_of(favour)
    pixels = torch.randn(2, 8, 5, 5)

    splits = attention.relu(attention.bn0(attention.conv(pixels))).chunk(2, dim=1)

    torch.testing.assert_close(attention(pixels), splits[chosen])


def test_each_split_sees_only_its_half_of_the_input_channels():
    attention = SplitAttentionConv(8).eval()
    pixels = torch.randn(1, 8, 5, 5)
    changed = pixels.clone()
    changed[:, 4:] += 1.0

    before, after = attention.conv(pixels), attention.conv(changed)

    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.equal(before[:, 8:], after[:, 8:])


def test_the_stride_is_taken_by_a_pool_that_counts_its_padding_in_three_blocks():
    network = tiny()
    pools = [
        name
        for name, module in network.named_modules()
        if isinstance(module, Bottleneck) and module.avd_layer is not None
    ]
    pooled = network.layer2[0].avd_layer(torch.ones(1, 1, 4, 4))

    assert pools == ["layer2.0", "layer3.0", "layer4.0"]
    torch.testing.assert_close(pooled.squeeze(), torch.tensor([[4 / 9, 6 / 9], [6 / 9, 1.0]]))


def test_the_shortcut_averages_what_is_there_at_an_odd_edge():
    pixels = torch.arange(9.0).reshape(1, 1, 3, 3)

    pooled = ShortcutPool(2)(pixels)

    assert pooled.squeeze().tolist() == [[2.0, 3.5], [6.5, 8.0]]


@pytest.mark.parametrize(("stride", "side"), [(1, 4), (2, 1)])
def test_the_shortcut_hands_on_what_needs_no_pooling(stride, side):
    pixels = torch.randn(2, 3, side, side)

    assert ShortcutPool(stride)(pixels) is pixels
