"""Images per second of training the demo's network: a plain loop against ours, side by side.

    python -m benchmarks.train_throughput

The plain loop is what a tutorial does: float32, NCHW, torchvision transforms in a DataLoader with
two workers, `loss.item()` at every step. Ours is the loader and the step of `stripe.train`. Both
take the same number of steps on the same images, in turns; the medians over rounds count. The
workers of the plain loop fetch a few batches ahead during our turn, which favours the plain loop.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks.common import interleaved, median_rates, save
from benchmarks.plain import Plain, plain_step
from stripe import build
from stripe.data import DeviceLoader, ImageSet, load_dataset
from stripe.train.step import train_step

ROUNDS, STEPS = 5, 15
BATCH = {"demo: 28 x 28, batch 32": (28, 32), "32 x 32, batch 128": (32, 128)}


def plain_loop(images: ImageSet, side: int, batch: int) -> Callable[[], None]:
    """Return a function that trains for `STEPS` steps as a tutorial would."""
    model = network(images)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    loader = DataLoader(
        Plain(images, pad=(side - 28) // 2),
        batch,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
    )
    batches = endless(loader)

    def steps() -> None:
        for x, y in islice(batches, STEPS):
            plain_step(model, optimizer, x, y)

    return steps


def our_loop(images: ImageSet, side: int, batch: int) -> Callable[[], None]:
    """Return a function that trains for `STEPS` steps as `stripe.train` does."""
    padded = F.pad(images.images, ((side - 28) // 2,) * 4)
    grown = ImageSet("grown", padded, images.labels, images.classes, images.mean, images.std)
    model = network(images).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, fused=True)
    batches = endless(DeviceLoader(grown, batch, shuffle=True, augment=True, padding=2))

    def steps() -> None:
        for x, y in islice(batches, STEPS):
            train_step(model, optimizer, x, y, torch.autocast("cpu", torch.bfloat16))

    return steps


def network(images: ImageSet) -> nn.Module:
    """Return the demo's network."""
    model = build("resnet20", attention="se", num_classes=10, in_channels=1, seed=0)
    return model.train()


def endless(loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches for ever."""
    while True:
        yield from loader


def main() -> None:
    """Measure both settings and write the result."""
    images = load_dataset("fashion-mini", "train")
    result = {}
    for setting, (side, batch) in tqdm(BATCH.items()):
        ways = {"plain": plain_loop(images, side, batch), "ours": our_loop(images, side, batch)}
        rates = median_rates(interleaved(ways, ROUNDS), STEPS * batch)
        result[setting] = {"images_per_s": rates, "ratio": rates["ours"] / rates["plain"]}
    save("train_throughput", {"network": "SE-ResNet20", "settings": result})


if __name__ == "__main__":
    main()
