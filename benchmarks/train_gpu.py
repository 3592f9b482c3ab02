"""Time an epoch of ResNet164 on 50,000 images of 32 x 32, a plain loop's and ours, on a GPU.

    python -m benchmarks.train_gpu

Bare, with SE and with ASR(SE), batch 128. The plain loop is eager float32 with `DataLoader` workers
and `loss.item()` at every step; ours is the loader and the step of `stripe.train`, in bf16 and
channels_last, eager and compiled. The images are random: speed does not depend on what they show.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.common import save
from benchmarks.plain import Plain, plain_step
from stripe.backbones import build
from stripe.data import DeviceLoader, ImageSet
from stripe.train.step import train_step

NETWORKS: dict[str, dict[str, Any]] = {
    "bare": {},
    "se": {"attention": "se"},
    "asr(se)": {"asr": "se"},
}
BATCH = 128


def random_images(count: int) -> ImageSet:
    """Return `count` colour images of 32 x 32 in 100 classes."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(100, (count,), generator=generator)
    classes = tuple(map(str, range(100)))
    return ImageSet("random/train", pixels, labels, classes, (0.5,) * 3, (0.25,) * 3)


def plain_epoch(
    model: nn.Module, images: ImageSet, device: str, workers: int
) -> Callable[[], None]:
    """Return a function that trains an epoch as a tutorial would."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    loader = DataLoader(
        Plain(images),
        BATCH,
        shuffle=True,
        num_workers=workers,
        pin_memory=device != "cpu",
        persistent_workers=workers > 0,
    )

    def epoch() -> None:
        for x, y in loader:
            plain_step(model, optimizer, x.to(device), y.to(device))

    return epoch


def our_epoch(
    model: nn.Module, images: ImageSet, device: str, compiled: bool
) -> Callable[[], None]:
    """Return a function that trains an epoch as `stripe.train` does."""
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, nesterov=True, fused=True
    )
    network: Any = model
    if compiled:
        network = torch.compile(model, mode="reduce-overhead" if device != "cpu" else None)
    loader = DeviceLoader(images, BATCH, device=device, shuffle=True, augment=True)

    def epoch() -> None:
        for x, y in loader:
            train_step(network, optimizer, x, y, torch.autocast(device, torch.bfloat16))

    return epoch


def timed(epoch: Callable[[], None], device: str) -> dict[str, float]:
    """Return seconds and peak memory of one epoch, after one that warms up."""
    epoch()
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    epoch()
    if device != "cpu":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated() / 2**20 if device != "cpu" else float("nan")
    return {"seconds": seconds, "peak_mib": peak}


def main() -> None:
    """Measure every network each way and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-images", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--backbone", default="resnet164")
    arguments = parser.parse_args()
    images, device = random_images(arguments.n_images), arguments.device
    result: dict[str, Any] = {}
    for name, modules in NETWORKS.items():
        result[name] = {}
        for way in ("plain", "ours", "ours, compiled"):
            model = build(arguments.backbone, num_classes=100, seed=0, **modules).to(device).train()
            if way == "plain":
                epoch = plain_epoch(model, images, device, arguments.workers)
            else:
                epoch = our_epoch(model, images, device, compiled=way != "ours")
            result[name][way] = timed(epoch, device)
        for measured in result[name].values():
            measured["images_per_s"] = len(images) / measured["seconds"]
            measured["to_plain"] = result[name]["plain"]["seconds"] / measured["seconds"]
    settings = {"backbone": arguments.backbone, "images": len(images), "batch": BATCH}
    name = "train_gpu" if device == "cuda" else "train_gpu_on_cpu"
    save(name, {**settings, "networks": result}, device)


if __name__ == "__main__":
    main()
