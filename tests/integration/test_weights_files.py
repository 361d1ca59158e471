import hashlib
import pickle
import random

import pytest
import safetensors.torch
import torch

from shared.errors import UsageError, WeightsError
from worker.models.resnest import build
from worker.models.weights import load_weights

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture
def tensors():
    torch.manual_seed(3)
    return build("resnest_tiny", classes=10).state_dict()


def load(path, *, variant="resnest_tiny", classes=10):
    return load_weights(str(path), variant, classes, cache_dir=path.parent / "cache")


def refusal(path, **options):
    """The one line that loading a file is refused with."""
    with pytest.raises(WeightsError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def saved(path, document):
    torch.save(document, path)
    return path


def assert_same(model, tensors):
    found = model.state_dict()
    assert list(found) == list(tensors)
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_file_is_loaded_and_its_digest_recorded(tmp_path, tensors, suffix):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(tensors, path)

    loaded = load(path)

    assert_same(loaded.model, tensors)
    assert not any(module.training for module in loaded.model.modules())
    assert loaded.origin.kind == "file"
    assert loaded.origin.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.origin.seed is None


def test_torch_s_old_file_format_is_loaded(tmp_path, tensors):
    path = tmp_path / "weights.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=False)

    assert_same(load(path).model, tensors)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_nested_state_dict_of_a_parallel_network_is_loaded(tmp_path, tensors, key):
    parallel = {f"module.{name}": value for name, value in tensors.items()}
    path = saved(tmp_path / "weights.pth", {"epoch": 7, key: parallel})

    assert_same(load(path).model, tensors)


def test_half_precision_becomes_fp32(tmp_path, tensors):
    halves = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}

    model = load(saved(tmp_path / "weights.pth", halves)).model

    assert model.fc.weight.dtype == torch.float32
    assert torch.equal(model.fc.weight, tensors["fc.weight"].half().float())


def test_the_loaded_network_can_be_trained_further(tmp_path, tensors):
    model = load(saved(tmp_path / "weights.pth", tensors)).model

    model(torch.randn(1, 3, 8, 8)).sum().backward()

    assert all(parameter.grad is not None for parameter in model.parameters())


def test_missing_batch_counters_are_no_fault(tmp_path, tensors):
    pruned = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}

    assert_same(load(saved(tmp_path / "weights.pth", pruned)).model, tensors)


def test_a_missing_key_is_told(tmp_path, tensors):
    del tensors["layer2.0.conv2.fc1.bias"]

    message = refusal(saved(tmp_path / "weights.pth", tensors))

    assert "1 missing, such as layer2.0.conv2.fc1.bias" in message
    assert "name the variant" in message


def test_an_unexpected_key_is_told(tmp_path, tensors):
    tensors["layer1.1.conv1.weight"] = torch.zeros(1)

    message = refusal(saved(tmp_path / "weights.pth", tensors))

    assert "1 unexpected, such as layer1.1.conv1.weight" in message


def test_a_wrong_shape_is_told(tmp_path, tensors):
    tensors["conv1.0.weight"] = torch.zeros(16, 3, 5, 5)

    message = refusal(saved(tmp_path / "weights.pth", tensors))

    assert "conv1.0.weight has the shape (16, 3, 5, 5), not (16, 3, 3, 3)" in message


def test_weights_of_another_variant_are_refused(tmp_path, tensors):
    assert "is not of a resnest14d" in refusal(
        saved(tmp_path / "weights.pth", tensors), variant="resnest14d"
    )


def test_another_number_of_classes_is_told(tmp_path, tensors):
    message = refusal(saved(tmp_path / "weights.pth", tensors), classes=12)

    assert "knows 10 classes, but 12 were asked for: give the class list" in message


def test_weights_that_are_no_numbers_are_refused(tmp_path, tensors):
    tensors["layer1.0.bn1.running_var"][2] = float("nan")

    assert "layer1.0.bn1.running_var holds NaN" in refusal(saved(tmp_path / "weights.pth", tensors))


@pytest.mark.parametrize(
    "document", [{}, [1, 2], 7, {"epoch": 3}, {"state_dict": {}}, {3: torch.zeros(1)}]
)
def test_what_is_no_state_dict_is_refused(tmp_path, document):
    assert "holds no state dict" in refusal(saved(tmp_path / "weights.pth", document))


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


def test_code_in_a_file_is_never_run(tmp_path):
    trace = tmp_path / "trace"
    path = tmp_path / "weights.pth"
    torch.save({"fc.weight": Malicious(trace)}, path)

    message = refusal(path)

    assert not trace.exists()
    assert "holds more than tensors" in message
    pickle.loads(pickle.dumps(Malicious(trace)))
    assert trace.exists()  # the file would have done it


def test_a_whole_pickled_network_is_refused_with_the_way_to_save_it(tmp_path):
    path = saved(tmp_path / "weights.pth", build("resnest_tiny", classes=10))

    assert "torch.save(network.state_dict(), path)" in refusal(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_files_are_refused_whatever_the_damage(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    good = {"a": torch.ones(100)}
    if suffix == ".pth":
        torch.save(good, path, _use_new_zipfile_serialization=False)
    else:
        safetensors.torch.save_file(good, path)
    whole, chance = path.read_bytes(), random.Random(1)

    for _ in range(300):
        damaged = bytearray(whole[: chance.randrange(len(whole))])
        if damaged:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged))
        refusal(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.pth")


def test_a_folder_is_told(tmp_path):
    (tmp_path / "folder.pth").mkdir()

    assert "Is a directory" in refusal(tmp_path / "folder.pth")


def test_a_name_that_is_no_weights_file_is_told(tmp_path):
    assert "must end in .pth or .safetensors" in refusal(tmp_path / "offical")


def test_an_unknown_variant_is_refused_before_the_file_is_read(tmp_path):
    with pytest.raises(UsageError, match="no variant 'resnest51'"):
        load(tmp_path / "none.pth", variant="resnest51")
