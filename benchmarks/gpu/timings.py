"""Timings of recording, Grad-CAM, folding and training, each as a ratio within one run."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

import stripe
from benchmarks.common import random_images
from benchmarks.gpu.clock import against
from benchmarks.gpu.slices import Outcome, Setting
from benchmarks.gradcam import bare as bare_cam
from benchmarks.gradcam import library as library_cam
from benchmarks.gradcam import ours as our_cam
from benchmarks.plain import Plain, plain_step
from benchmarks.record import bare as bare_pass
from benchmarks.record import make_lively
from benchmarks.record import ours as our_record
from benchmarks.scale import table_cost
from stripe.data import DeviceLoader, ImageSet
from stripe.demos.fps import fps_table
from stripe.train.step import train_step


def _backbone(setting: Setting) -> str:
    return "resnet11" if setting.rehearse else "resnet164"


def _batches(setting: Setting, number: int, images: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (images, 3, 32, 32)
    return [torch.randn(shape, generator=generator).to(setting.device) for _ in range(number)]


def recording(setting: Setting) -> Outcome:
    """Time recording every gate, with and without pooled inputs, against the bare pass."""
    batches = _batches(setting, *((2, 8) if setting.rehearse else (20, 500)))
    model = stripe.build(_backbone(setting), attention="se", num_classes=100, seed=0)
    model = model.eval().to(setting.device)
    make_lively(model, batches[0])
    epochs = count()
    with (
        tempfile.TemporaryDirectory(prefix="gpu-record-") as folder,
        stripe.Recorder(model, Path(folder, "values"), batches[0], inputs=False) as values,
        stripe.Recorder(model, Path(folder, "inputs"), batches[0]) as inputs,
        stripe.Recorder(model, Path(folder, "moments"), batches[0], values=False) as moments,
    ):
        found = against(
            setting.device,
            {
                "bare": lambda: bare_pass(model, batches, Path()),
                "bare again": lambda: bare_pass(model, batches, Path()),
                "values": lambda: our_record(values, batches, next(epochs)),
                "values and inputs": lambda: our_record(inputs, batches, next(epochs)),
                "moments": lambda: our_record(moments, batches, next(epochs)),
            },
            base="bare",
            rounds=1 if setting.rehearse else 9,
            images=sum(map(len, batches)),
        )
    return {"network": f"SE-{_backbone(setting)}", "ways": found}, True


def mean_cam(setting: Setting) -> Outcome:
    """Time average Grad-CAM against the bare passes and the grad-cam library."""
    batches = _batches(setting, *((2, 4) if setting.rehearse else (20, 100)))
    model = stripe.build(_backbone(setting), attention="se", num_classes=100, seed=0)
    model, layer = model.eval().to(setting.device), "layer3"
    found = against(
        setting.device,
        {
            "bare": lambda: bare_cam(model, layer, batches),
            "stripe": lambda: our_cam(model, layer, batches),
            "library": lambda: library_cam(model, layer, batches),
        },
        base="bare",
        rounds=1 if setting.rehearse else 9,
        images=sum(map(len, batches)),
    )
    return {"network": f"SE-{_backbone(setting)}", "layer": layer, "ways": found}, True


def table_1(setting: Setting) -> Outcome:
    """Time Table 1 whole: bare, with each attention module, and with each ASR folded."""
    small = {"attentions": ("se",), "batch_size": 4, "rounds": 1}
    options: dict[str, Any] = small if setting.rehearse else {"batch_size": 128, "rounds": 15}
    table = fps_table(_backbone(setting), device=setting.device, progress=False, **options)
    return {"backbone": _backbone(setting), "networks": table.to_dict("records")}, True


def training(setting: Setting) -> Outcome:
    """Time training steps of ours against a tutorial's loop and loops whose images are at hand."""
    steps, batch = (2, 8) if setting.rehearse else (30, 128)
    data = random_images(batch * steps)
    found = {}
    for name, modules in {"bare": {}, "se": {"attention": "se"}}.items():
        ways: dict[str, Callable[[nn.Module, Any, str], Iterator[None]]] = {
            "tutorial": _tutorial,
            "plain": partial(_plain, fast=False),
            "plain, bf16 and channels_last": partial(_plain, fast=True),
            "stripe": partial(_ours, compiled=False),
            **({"stripe, compiled": partial(_ours, compiled=True)} if not setting.rehearse else {}),
        }
        made = {}
        for way, loop in ways.items():
            model = stripe.build(_backbone(setting), num_classes=100, seed=0, **modules)  # type: ignore[arg-type]
            loader = (
                _data_loader(data, batch, setting)
                if way == "tutorial"
                else DeviceLoader(data, batch, device=setting.device, shuffle=True, augment=True)
            )
            network = model.to(setting.device).train()
            made[way] = partial(_taken, loop(network, loader, setting.device), steps)
        found[name] = against(
            setting.device,
            made,
            base="tutorial",
            rounds=1 if setting.rehearse else 5,
            images=batch * steps,
        )
    return {"backbone": _backbone(setting), "batch": batch, "networks": found}, True


def _taken(steps: Iterator[None], number: int) -> None:
    for _ in islice(steps, number):
        pass


def _optimizer(model: nn.Module, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, fused=fused)


def _data_loader(data: ImageSet, batch: int, setting: Setting) -> DataLoader[Any]:
    """Return a loader of torchvision transforms in eight processes, as a tutorial has it."""
    workers = 0 if setting.rehearse else 8
    return DataLoader(
        Plain(data), batch, shuffle=True, num_workers=workers, pin_memory=setting.device != "cpu",
        persistent_workers=workers > 0,
    )  # fmt: skip


def _tutorial(model: nn.Module, loader: DataLoader[Any], device: str) -> Iterator[None]:
    """Step as a tutorial does: eager, float32, `loss.item()` at every step."""
    optimizer = _optimizer(model, fused=False)
    while True:
        for images, labels in loader:
            plain_step(model, optimizer, images.to(device), labels.to(device))
            yield


def _plain(model: nn.Module, loader: DeviceLoader, device: str, *, fast: bool) -> Iterator[None]:
    """Step with `loss.item()` at every step; the images are on the device."""
    if fast:
        model = model.to(memory_format=torch.channels_last)
    optimizer = _optimizer(model, fused=False)
    while True:
        for images, labels in loader:
            optimizer.zero_grad()
            x = images if fast else images.contiguous()
            with torch.autocast(device, torch.bfloat16) if fast else nullcontext():
                loss = F.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            loss.item()
            yield


def _ours(model: nn.Module, loader: DeviceLoader, device: str, *, compiled: bool) -> Iterator[None]:
    """Step as `stripe.train` does."""
    model = model.to(memory_format=torch.channels_last)
    optimizer = _optimizer(model, fused=True)
    network: Any = torch.compile(model, mode="reduce-overhead") if compiled else model
    while True:
        for images, labels in loader:
            train_step(network, optimizer, images, labels, torch.autocast(device, torch.bfloat16))
            yield


def table_costs(setting: Setting) -> Outcome:
    """Time training steps of every network of Tables 2 and 8, as docs/scale.md lists them."""
    if setting.rehearse:
        return {"table8": table_cost("table8", 2, 1, setting.device, runs=1)}, True
    batch = 128
    found = {name: table_cost(name, batch, 5, setting.device) for name in ("table2", "table8")}
    return {"batch": batch, **found}, True


TIMINGS: dict[str, Callable[[Setting], Outcome]] = {
    "recording": recording,
    "mean_cam": mean_cam,
    "table_1": table_1,
    "training": training,
    "scale": table_costs,
}
