"""Trains the demo's `resnest_tiny` on Fashion-MNIST.

    python -m training.fashion_mnist.train

One thread, one seed: the same machine and torch give the same checkpoint. Weights are fp32; the
convolutions of training run in bfloat16, which takes half the time. The test images are looked at
once, after the last epoch; nothing is chosen by them.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from producer import demo
from training.fashion_mnist.augmentation import augment, normalise
from training.fashion_mnist.dataset import CLASSES, DEBIAN_FOLDER, Split, read_garments
from training.fashion_mnist.pixels import cached_pixels
from worker.models.resnest import ResNeSt, build

VARIANT = "resnest_tiny"
CHECKPOINT = Path(demo.__file__).parent / demo.CHECKPOINT_NAME
CACHE_FOLDER = Path("build/fashion_mnist")
_EVALUATION_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What decides a training run, beside the code; `seed` rules every draw."""

    epochs: int
    seed: int
    batch_size: int = 128
    peak_learning_rate: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warm_up_share: float = 0.2
    label_smoothing: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """`pixels` uint8 (count, 64, 64), one channel of three equal ones; `labels` int64 (count,)."""

    pixels: Tensor
    labels: Tensor


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=DEBIAN_FOLDER, show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), default=CACHE_FOLDER, show_default=True)
@click.option("--epochs", type=int, default=12, show_default=True)
@click.option("--seed", type=int, default=20, show_default=True)
@click.option("--output", "-o", type=click.Path(path_type=Path), default=CHECKPOINT)
def main(data: Path, cache: Path, epochs: int, seed: int, output: Path) -> None:
    """Train, write the fp32 checkpoint, and say its accuracy on the 10,000 test images."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    examples = load_examples("train", data_folder=data, cache_folder=cache)
    network = train(examples, Schedule(epochs=epochs, seed=seed))
    save_file(network.state_dict(), output)
    test = load_examples("test", data_folder=data, cache_folder=cache)
    correct = predict(network, test.pixels).argmax(1) == test.labels.numpy()
    click.echo(f"test top-1 {correct.mean():.4f} of {len(correct)} images; wrote {output}")


def load_examples(split: Split, *, data_folder: Path, cache_folder: Path) -> Examples:
    """Return a split's pixels, made by the recipe, and its labels."""
    pixels = cached_pixels(split, data_folder=data_folder, cache_folder=cache_folder)
    labels = read_garments(split, data_folder).labels
    return Examples(
        pixels=torch.from_numpy(pixels), labels=torch.from_numpy(labels.astype(np.int64))
    )


def train(examples: Examples, schedule: Schedule) -> ResNeSt:
    """Return the trained network in evaluation mode."""
    torch.manual_seed(schedule.seed)
    generator = torch.Generator().manual_seed(schedule.seed)
    network = build(VARIANT, classes=len(CLASSES))
    network.train()
    optimizer = _optimizer(network, schedule)
    annealing = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=schedule.peak_learning_rate,
        total_steps=len(examples.labels) // schedule.batch_size * schedule.epochs,
        pct_start=schedule.warm_up_share,
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=schedule.label_smoothing)
    for epoch in range(schedule.epochs):
        started, losses = time.monotonic(), []
        for pixels, labels in batches(examples, schedule.batch_size, generator=generator):
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(normalise(augment(pixels, generator)))
            loss = loss_of(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            annealing.step()
            losses.append(loss.item())
        mean, seconds = sum(losses) / len(losses), time.monotonic() - started
        click.echo(f"epoch {epoch + 1}/{schedule.epochs}: loss {mean:.4f}, {seconds:.0f} s")
    network.eval()
    return network


def batches(
    examples: Examples, size: int, *, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the examples in a new random order, in full batches."""
    order = torch.randperm(len(examples.labels), generator=generator)
    for start in range(0, len(order) - size + 1, size):
        chosen = order[start : start + size]
        yield examples.pixels[chosen], examples.labels[chosen]


@torch.inference_mode()
def predict(network: nn.Module, pixels: Tensor) -> NDArray[np.float32]:
    """Return fp32 probabilities (count, classes) for uint8 pixels (count, 64, 64), by eager."""
    starts = range(0, len(pixels), _EVALUATION_BATCH)
    outputs = [
        network(normalise(pixels[start : start + _EVALUATION_BATCH])).softmax(1) for start in starts
    ]
    probabilities: NDArray[np.float32] = torch.cat(outputs).numpy()
    return probabilities


def _optimizer(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Return SGD that decays weights of convolutions and the classifier, nothing else."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": schedule.weight_decay},
        {"params": others},
    ]
    return torch.optim.SGD(
        groups,
        lr=schedule.peak_learning_rate,
        momentum=schedule.momentum,
        nesterov=True,
    )


if __name__ == "__main__":
    main()
