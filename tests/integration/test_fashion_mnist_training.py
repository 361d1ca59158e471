"""Training the demo's network can be repeated."""

import numpy as np
import pytest
import torch

from training.fashion_mnist.train import Examples, Schedule, predict, train


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_training_twice_with_one_seed_gives_the_same_network(one_thread):
    random = np.random.default_rng(7)
    examples = Examples(
        pixels=torch.from_numpy(random.integers(0, 256, (32, 64, 64), dtype=np.uint8)),
        labels=torch.from_numpy(random.integers(0, 10, 32)),
    )

    first, second, other = (
        predict(train(examples, Schedule(epochs=2, seed=seed, batch_size=16)), examples.pixels)
        for seed in (1, 1, 2)
    )

    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
