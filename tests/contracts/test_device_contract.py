"""What every device promises, whatever drives it."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
import pytest

from shared.errors import DeviceClosed, DeviceError
from tests.support.artifacts import compile_tiny, noise, settings_in
from worker.devices import TopK, open_device
from worker.devices.self_test import run_self_test
from worker.preprocessing.recipes import open_recipe

KINDS = ["simulated:0", "cpu:0", "torch-cpu", "cuda:0"]


@pytest.fixture(params=KINDS)
def device_name(request):
    return request.param


@pytest.fixture
def artifact(device_name, request):
    fixtures = {
        "simulated:0": "simulated_artifact",
        "cpu:0": "tying_artifact",
        "torch-cpu": "tying_torch_artifact",
    }
    if device_name in fixtures:
        return request.getfixturevalue(fixtures[device_name])
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    folder = request.getfixturevalue("tmp_path_factory").mktemp("cuda") / "ties_cuda"
    weights = str(request.getfixturevalue("tying_weights"))
    return compile_tiny(folder, weights=weights, device_kind="cuda", batch_size=8)


@pytest.fixture
def device(device_name, artifact, tmp_path):
    device = open_device(device_name, artifact, settings_in(tmp_path))
    yield device
    device.close()


@pytest.fixture
def size(artifact):
    return artifact.manifest.input_size


def by_class(best):
    """Probabilities in order of the class: ten classes, all of them answered."""
    probabilities = np.empty_like(best.probabilities)
    np.put_along_axis(probabilities, best.class_indices.astype(np.intp), best.probabilities, axis=1)
    return probabilities


def test_every_batch_length_up_to_the_largest_gets_as_many_answers(device, size):
    for length in range(1, device.batch_size + 1):
        best = device.submit(noise(length, size)).result()

        assert best.class_indices.shape == best.probabilities.shape == (length, 10)
        assert best.class_indices.dtype == np.int32
        assert best.probabilities.dtype == np.float32


def test_answers_are_in_the_order_of_the_batch(device, size):
    batch = noise(device.batch_size, size)

    forwards = by_class(device.submit(batch).result())
    backwards = by_class(device.submit(np.ascontiguousarray(batch[::-1])).result())

    assert np.allclose(forwards, backwards[::-1], atol=1e-5)
    assert len({tuple(row) for row in forwards.round(4)}) == device.batch_size


def test_an_image_gets_the_same_answer_in_any_batch(device, size):
    batch = noise(device.batch_size, size)

    together = by_class(device.submit(batch).result())
    alone = [by_class(device.submit(batch[n : n + 1].copy()).result()) for n in range(len(batch))]

    assert np.allclose(together, np.concatenate(alone), atol=1e-5)


def test_answers_are_sorted_distinct_and_sum_to_at_most_one(device, size):
    best = device.submit(noise(device.batch_size, size)).result()

    assert (np.diff(best.probabilities, axis=1) <= 0).all()
    assert all(len(set(row)) == 10 for row in best.class_indices.tolist())
    assert (best.probabilities.sum(axis=1) <= 1 + 1e-5).all()
    assert (best.probabilities >= 0).all()


def test_equal_probabilities_come_in_order_of_their_index(device, device_name, size):
    batch = noise(device.batch_size, size)
    if device_name == "simulated:0":
        batch[:] = 77  # one colour: all classes tie

    best = device.submit(batch).result()

    ties = best.probabilities[:, :-1] == best.probabilities[:, 1:]
    assert ties.sum() >= 4 * len(batch)
    assert (np.diff(best.class_indices, axis=1)[ties] > 0).all()


def test_a_batch_that_is_not_contiguous_is_read_rightly(device, size):
    wide = noise(device.batch_size * 2, size)

    strided = by_class(device.submit(wide[::2]).result())
    copied = by_class(device.submit(wide[::2].copy()).result())

    assert np.allclose(strided, copied, atol=1e-5)


def test_the_self_test_passes_and_says_how_close_it_was(device, artifact, size):
    comparison = run_self_test(device, artifact, open_recipe("exact", size))

    assert comparison.images == 8
    assert comparison.flips == 0
    assert comparison.largest_drift < 1e-3


def test_at_least_two_batches_may_be_in_flight(device, size):
    assert device.depth >= 2

    futures = [device.submit(noise(1, size)) for _ in range(device.depth)]

    assert all(len(future.result().class_indices) == 1 for future in futures)


def test_many_threads_may_submit_at_once_and_each_gets_its_own_answer(device, size):
    batches = [noise(1 + n % device.batch_size, size, seed=n) for n in range(24)]
    alone = [by_class(device.submit(batch).result()) for batch in batches]

    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda batch: by_class(device.submit(batch).result()), batches))

    for one, other in zip(alone, together, strict=True):
        assert np.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((0,), "uint8"), ((1,), "float32"), ((1, 3), "uint8")],
    ids=["no images", "not bytes", "another shape"],
)
def test_a_batch_of_another_kind_is_refused_at_once(device, size, shape, dtype):
    batch = np.zeros((*shape, size, size, 3), dtype=dtype)

    with pytest.raises(ValueError, match="a batch"):
        device.submit(batch)


def test_a_batch_longer_than_the_largest_is_refused_at_once(device, size):
    with pytest.raises(ValueError, match="1 to 8 images, not 9"):
        device.submit(noise(device.batch_size + 1, size))


def test_close_finishes_what_is_in_flight_and_may_be_called_twice(device, size):
    futures = [device.submit(noise(device.batch_size, size)) for _ in range(device.depth)]

    device.close()
    device.close()

    assert all(future.done() for future in futures)
    assert all(len(future.result().class_indices) == device.batch_size for future in futures)


def test_a_closed_device_refuses_batches(device, size):
    device.close()

    with pytest.raises(DeviceClosed, match="is closed"):
        device.submit(noise(1, size))


@pytest.mark.parametrize("device_name", ["cpu:0", "torch-cpu"])
def test_an_error_of_the_library_arrives_in_the_future_and_the_device_goes_on(
    device, size, monkeypatch
):
    broken = np.zeros((1, size + 1, size, 3), dtype=np.uint8)
    monkeypatch.setattr(device, "_check_batch", lambda _: None)

    future = device.submit(broken) if device.name == "cpu:0" else device.submit(broken[..., :2])

    with pytest.raises(DeviceError, match="failed on 1 images"):
        future.result()
    assert len(device.submit(noise(1, size)).result().class_indices) == 1


def open_simulated(artifact, tmp_path, options):
    return open_device(f"simulated:0?{options}", artifact, settings_in(tmp_path))


def test_submit_waits_while_as_many_batches_as_the_depth_are_in_flight(
    simulated_artifact, tmp_path
):
    device = open_simulated(simulated_artifact, tmp_path, "latency_seconds=0.2")
    first = device.submit(noise(1, 8))
    device.submit(noise(1, 8))
    began = time.monotonic()

    device.submit(noise(1, 8))

    assert first.done()
    assert time.monotonic() - began > 0.1
    device.close()


def test_a_thread_that_waits_in_submit_is_freed_by_close(simulated_artifact, tmp_path):
    device = open_simulated(simulated_artifact, tmp_path, "latency_seconds=0.3")
    futures = [device.submit(noise(1, 8)) for _ in range(device.depth)]
    errors: list[type[Exception]] = []

    def submit_one_more():
        try:
            device.submit(noise(1, 8))
        except DeviceClosed as error:
            errors.append(type(error))

    waiting = threading.Thread(target=submit_one_more)
    waiting.start()
    time.sleep(0.05)
    device.close()
    waiting.join(timeout=5)

    assert errors == [DeviceClosed]
    assert all(future.done() for future in futures)


def failures(device, batches):
    futures: list[Future[TopK]] = [device.submit(batch) for batch in batches]
    wait(futures)
    return [type(future.exception()) if future.exception() else None for future in futures]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("fail_batches=0,2", [DeviceError, None, DeviceError, None]),
        ("fail_from=2", [None, None, DeviceError, DeviceError]),
        ("memory_images=2", [None, None, DeviceError, DeviceError]),
        ("reject_value=9", [None, DeviceError, None, None]),
    ],
)
def test_a_simulated_fault_fails_the_batches_it_names(
    simulated_artifact, tmp_path, options, expected
):
    device = open_simulated(simulated_artifact, tmp_path, options)
    batches = [np.zeros((length, 8, 8, 3), np.uint8) for length in (1, 2, 3, 4)]
    batches[1][1, 0, 0] = 9

    assert failures(device, batches) == expected
    device.close()


def test_a_simulated_hang_lasts_until_the_device_is_closed(simulated_artifact, tmp_path):
    device = open_simulated(simulated_artifact, tmp_path, "hang_batch=1")
    assert len(device.submit(noise(1, 8)).result().class_indices) == 1
    hanging = device.submit(noise(1, 8))
    wait([hanging], timeout=0.2)
    assert not hanging.done()

    device.close()

    with pytest.raises(DeviceError, match="hung until"):
        hanging.result()


def test_a_simulated_device_keeps_its_speed(simulated_artifact, tmp_path):
    device = open_simulated(simulated_artifact, tmp_path, "images_per_second=400")
    began = time.monotonic()

    wait([device.submit(noise(8, 8)) for _ in range(20)])

    assert 0.39 < time.monotonic() - began < 0.8
    device.close()
