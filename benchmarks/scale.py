"""Measure what the paper's tables, and a recording of ImageNet, would cost on this machine.

    python -m benchmarks.scale --device cpu
    python -m benchmarks.scale --device cpu --only table8 --only recording

Every distinct network of Tables 2 and 8 takes a few training steps on random images of its true
size, by the step of `stripe.train`; the images that its runs would see, divided by that speed, are
its cost. The runs are then dealt out to 1, 8 and 64 such devices, the longest first. Reading data
is not in it. A recording of SE-ResNet50 gives the bytes of an image, and how fast statistics are.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

import stripe
from benchmarks.common import earlier, save
from stripe.data import DeviceLoader, load_dataset
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.scales import scale
from stripe.reproduce.reproduction import reproduction
from stripe.robustness import inject_noise
from stripe.stats import channel_moments, processes
from stripe.train import TrainConfig
from stripe.train.step import make_optimizer, train_step

PARTS = ["table2", "table8", "recording"]
#: Training images, classes, and the side of images.
DATA = {"cifar100": (50_000, 100, 32), "imagenet": (1_281_167, 1000, None)}
IMAGENET_VALIDATION = 50_000


def training_rate(config: TrainConfig, batch: int, steps: int, device: str) -> float:
    """Return images per second of training steps, the median over steps."""
    _, classes, side = DATA[config.dataset]
    side = side or config.image_size
    model = stripe.build(
        config.backbone,
        num_classes=classes,
        image_size=side,
        attention=config.attention,
        asr=config.asr,
        seed=0,
    )
    model = model.to(device).to(memory_format=torch.channels_last).train()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, side, side, generator=generator).to(device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(classes, (batch,), generator=generator).to(device)
    optimizer = make_optimizer(config, model)
    autocast = torch.autocast(torch.device(device).type, torch.bfloat16)
    seconds = []
    with inject_noise(model, config.noise) if config.noise else nullcontext():
        for _ in range(steps + 1):
            started = time.perf_counter()
            train_step(model, optimizer, images, labels, autocast).item()
            seconds.append(time.perf_counter() - started)
    return batch / statistics.median(seconds[1:])


def makespan(hours: list[float], devices: int) -> float:
    """Return the hours until the last run ends, the longest dealt out first."""
    loads = [0.0] * devices
    for one in sorted(hours, reverse=True):
        loads[loads.index(min(loads))] += one
    return max(loads)


def table_cost(
    name: str, batch: int, steps: int, device: str, *, runs: int | None = None
) -> dict[str, Any]:
    """Return what the runs of a table, or the first ones, cost at one device a run."""
    found = reproduction(exhibit(name), scale("paper"))
    configs = [run.config for run in found.needed][:runs]
    rates: dict[str, float] = {}
    hours = []
    for config in tqdm(configs, desc=name):
        assert isinstance(config, TrainConfig)
        kind = (config.noise or "").partition(":")[0]
        side = DATA[config.dataset][2] or config.image_size
        parts = (config.backbone, side, config.attention, config.asr, kind)
        words = " ".join(str(part) for part in parts if part)
        if words not in rates:
            rates[words] = training_rate(config, min(batch, config.batch_size), steps, device)
        hours.append(config.epochs * DATA[config.dataset][0] / rates[words] / 3600)
    return {
        "runs": len(configs),
        "images_per_s": rates,
        "device_hours": sum(hours),
        "longest_run_hours": max(hours),
        "hours_on": {devices: makespan(hours, devices) for devices in (1, 8, 64)},
    }


def recording_cost(n_images: int, epochs: int, device: str) -> dict[str, Any]:
    """Return bytes and seconds of a recording of SE-ResNet50 and of its statistics."""
    model = stripe.build("resnet50", attention="se", num_classes=1000, image_size=64, seed=0)
    test = load_dataset("fashion-mini", "test").head(n_images)
    pixels = test.images.expand(-1, 3, -1, -1)
    test = type(test)(test.name, pixels, test.labels, test.classes, test.mean * 3, test.std * 3)
    loader = DeviceLoader(test, 64, device=device, indices=True)
    example = next(iter(loader))[0][:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        with stripe.Recorder(model.to(device).eval(), path, example, inputs=False) as recorder:
            for epoch in tqdm(range(epochs), desc="recording"):
                recorder.record(loader, epoch=epoch, progress=False)
        recording = stripe.open_recording(path)
        size = int(recording.verify()["bytes"].sum())
        channels = int(recording.gates["channels"].sum())
        raw = 4 * channels * n_images * epochs

        def seconds(over: Callable[..., Any]) -> float:
            started = time.perf_counter()
            channel_moments(recording, over=over)
            return time.perf_counter() - started

        with processes(2) as over:
            seconds(over)  # the processes start
            one, two = zip(*[(seconds(map), seconds(over)) for _ in range(5)], strict=True)
    whole = 4 * channels * IMAGENET_VALIDATION
    return {
        "gates": len(recording.gates),
        "channels": channels,
        "of_raw_float32": size / raw,
        "imagenet_validation_gb_per_epoch": size / raw * whole / 1e9,
        "imagenet_validation_gb_of_100_epochs": 100 * size / raw * whole / 1e9,
        "raw_mb_per_s": {"one process": raw / 1e6 / statistics.median(one),
                         "two processes": raw / 1e6 / statistics.median(two)},
        "minutes_of_100_epochs": {
            "one process": 100 * whole / raw * statistics.median(one) / 60,
            "two processes": 100 * whole / raw * statistics.median(two) / 60,
        },
    }  # fmt: skip


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=32, help="at most, images per step")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="keep the last result of the others"
    )
    given = parser.parse_args()
    name = "scale" if given.device == "cpu" else "scale_gpu"
    chosen = given.only or PARTS
    found = {part: earlier(name)[part] for part in PARTS if part not in chosen}
    for table in {"table2", "table8"} & {*chosen}:
        found[table] = table_cost(table, given.batch, given.steps, given.device)
    if "recording" in chosen:
        found["recording"] = recording_cost(250, 20, given.device)
    result = {"batch": given.batch, "measured_now": chosen, **{part: found[part] for part in PARTS}}
    save(name, result, given.device)


if __name__ == "__main__":
    main()
