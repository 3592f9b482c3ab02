"""Time `stripe.sensitivity` against forward passes, and compare its memory with a training step's.

python -m benchmarks.sensitivity_cost writes benchmarks/results/sensitivity_cost.json. All ways run
in turns in one process, and processor time is compared. Memory is the bytes that a graph keeps for
its backward pass, without weights.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import stripe
from benchmarks.common import save
from stripe.recording import Recording

#: Numbers of drawn labels that are timed.
DRAWS = (1, 4)


def kept_bytes(model: nn.Module, work: Callable[[], object]) -> int:
    """Return the bytes of the tensors that graphs keep while some work is done, without weights."""
    weights = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        work()
    return sum(kept.values())


def training_step(model: nn.Module, images: Tensor) -> None:
    """Compute the gradients of all weights for one batch, and forget them."""
    model.train()
    loss = nn.functional.cross_entropy(model(images), torch.arange(len(images)) % 10)
    loss.backward()
    model.zero_grad()
    model.eval()


def forward(model: nn.Module, images: Tensor, batch_size: int) -> None:
    """Run all images through a network, without gradients."""
    with torch.no_grad():
        for batch in images.split(batch_size):
            model(batch)


def estimate(model: nn.Module, images: Tensor, size: int, data: Recording, draws: int) -> None:
    """Estimate what freezing will cost from all images."""
    stripe.sensitivity(model, images.split(size), data, draws=draws, progress=False)


def seconds(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return processor seconds of each way in each round; the first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            found[name].append(time.process_time() - start)
    return {name: of_way[1:] for name, of_way in found.items()}


def cost(backbone: str, n_images: int, batch_size: int, rounds: int) -> dict[str, Any]:
    """Return times in forward passes, quartiles over rounds, and bytes of one batch."""
    model = stripe.build(backbone, attention="se", num_classes=10, in_channels=1, seed=0).eval()
    images = torch.randn(n_images, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    batch = images[:batch_size]
    with tempfile.TemporaryDirectory() as folder:
        batches = images.split(batch_size)
        data = stripe.record(model, batches, Path(folder) / "r", inputs=False, progress=False)
        estimates = {n: partial(estimate, model, images, batch_size, data, n) for n in DRAWS}
        named = {f"sensitivity, draws={n}": way for n, way in estimates.items()}
        times = seconds({"forward": partial(forward, model, images, batch_size), **named}, rounds)
        one = partial(estimate, model, batch, batch_size, data, max(DRAWS))
        memory = {"sensitivity": kept_bytes(model, one)}
        memory["training step"] = kept_bytes(model, partial(training_step, model, batch))
    ratios = {}
    for name in named:
        pairs = zip(times[name], times["forward"], strict=True)
        ratios[name] = statistics.quantiles([mine / bare for mine, bare in pairs], n=4)
    return {
        "network": f"SE-{backbone}",
        "images": n_images,
        "batch_size": batch_size,
        "forward_passes": ratios,
        "forward_seconds": statistics.median(times["forward"]),
        "kept_bytes": memory,
    }


def main() -> None:
    """Measure two depths and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", default=["resnet20", "resnet164"])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found = [
        cost(backbone, chosen.images, chosen.batch_size, chosen.rounds)
        for backbone in chosen.backbones
    ]
    save("sensitivity_cost", {"options": vars(chosen), "networks": found})


if __name__ == "__main__":
    main()
