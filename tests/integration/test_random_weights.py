import pytest
import torch
from torch import nn
from torch.nn import functional

from shared.errors import WeightsError
from worker.models.random_weights import digest_of_tensors
from worker.models.weights import load_weights

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def load(spec, tmp_path, *, variant="resnest_tiny", classes=10):
    return load_weights(spec, variant, classes, cache_dir=tmp_path)


def photograph_like(count, size, *, seed=1):
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.randn(count, 3, 6, 6, generator=generator)
    images = functional.interpolate(smooth, size=size, mode="bicubic", align_corners=False)
    return images + 0.1 * torch.randn(count, 3, size, size, generator=generator)


def test_one_seed_gives_one_network_and_another_seed_another(tmp_path):
    first, again, other = (load(spec, tmp_path) for spec in ("random:4", "random:4", "random:5"))

    assert first.origin == again.origin
    assert (first.origin.kind, first.origin.seed) == ("random", 4)
    assert first.origin.sha256 != other.origin.sha256
    for key, value in first.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key]), key


def test_the_digest_covers_every_tensor(tmp_path):
    loaded = load("random:4", tmp_path)
    before = digest_of_tensors(loaded.model)
    loaded.model.state_dict()["layer4.0.bn3.running_var"][0] += 1

    assert before == loaded.origin.sha256
    assert digest_of_tensors(loaded.model) != before


def test_the_global_generator_is_left_alone(tmp_path):
    torch.manual_seed(9)
    before = torch.get_rng_state()

    load("random:4", tmp_path)

    assert torch.equal(torch.get_rng_state(), before)


def test_the_network_does_not_depend_on_the_global_generator(tmp_path):
    torch.manual_seed(1)
    first = load("random:4", tmp_path)
    torch.manual_seed(2)

    assert load("random:4", tmp_path).origin == first.origin


def test_every_statistic_was_set_and_evaluation_mode_and_momentum_are_as_usual(tmp_path):
    model = load("random:4", tmp_path).model
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]

    assert not any(module.training for module in model.modules())
    for norm in norms:
        assert norm.momentum == 0.1
        assert bool(norm.get_buffer("running_mean").any())
        assert bool((norm.get_buffer("running_var") != 1).any())


@pytest.mark.parametrize(
    ("variant", "size"),
    [
        ("resnest_tiny", 8),
        ("resnest_tiny", 64),
        ("resnest14d", 224),
        pytest.param("resnest50", 224, marks=pytest.mark.long),
        pytest.param("resnest269", 224, marks=pytest.mark.long),
    ],
)
def test_images_that_were_never_seen_get_logits_of_a_sane_size_that_tell_them_apart(
    tmp_path, variant, size
):
    model = load("random:2", tmp_path, variant=variant, classes=1000).model

    with torch.no_grad():
        logits = model(photograph_like(4, size))

    assert 0.1 < logits.std() < 10
    assert (logits - logits.mean(dim=0)).std() > 0.1


def test_a_deep_network_is_calm_rounding_its_weights_hardly_moves_its_answers(tmp_path):
    model = load("random:2", tmp_path, variant="resnest50", classes=1000).model
    images = photograph_like(4, 64)

    with torch.no_grad():
        exact = model(images)
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
        drift = (model(images) - exact).std() / exact.std()

    assert 0 < drift < 0.05


@pytest.mark.parametrize("spec", ["random:", "random:x", "random:-1", "random:1.5", "random:²"])
def test_a_seed_that_is_no_whole_number_is_refused(tmp_path, spec):
    with pytest.raises(WeightsError, match="names no seed: write random:"):
        load(spec, tmp_path)


def test_a_seed_too_large_for_torch_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="names no seed"):
        load(f"random:{2**63}", tmp_path)
