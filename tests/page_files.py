"""The files and the names that pages take as given, small enough for a test."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exported import export, small
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import stripe
from stripe.train import TrainConfig, train

MINE = '''"""A module of a user, that commands import from the working directory."""

import torch
import torchvision

import stripe


def build_model() -> torch.nn.Module:
    return stripe.build("resnet8_basic", attention="se", num_classes=10)


build = text_lines = build_model
'''


def given() -> dict[str, Any]:
    """Return the names that pages use without making them: a network, its images, a loop."""
    torch.manual_seed(0)
    model = stripe.build("resnet20", attention="se", num_classes=10).eval()
    images, labels = torch.rand(16, 3, 32, 32), torch.arange(16) % 10
    loader = [(images, labels)]

    def train_one_epoch(model: nn.Module) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        F.cross_entropy(model.train()(images), labels).backward()
        optimizer.step()

    other = stripe.build("resnet20", attention="se", num_classes=10, seed=1)
    return {"model": model, "images": images, "loader": loader, "test_loader": loader,
            "epochs": 2, "train_one_epoch": train_one_epoch, "decayed": other}  # fmt: skip


def write_files(folder: Path) -> None:
    """Write the files that pages name: photographs, a module, weights, runs, an ONNX file."""
    for name in ("photos", "my_photos", "lines", "animals/train", "animals/val"):
        write_photos(folder / name)
    (folder / "mine.py").write_text(MINE)
    names: dict[str, Any] = {}
    exec(MINE, names)
    save_file(names["build_model"]().state_dict(), folder / "mine.safetensors")
    export(small(), folder / "model.onnx", size=48)
    write_runs(folder / "runs")


def write_photos(folder: Path) -> None:
    """Write three photographs of noise in each of two class folders."""
    pixels = np.random.default_rng(0)
    for name in ("cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "dog/2.png", "dog/3.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise = pixels.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)


def write_runs(folder: Path) -> None:
    """Write a recorded training under the names that pages give it, and recordings alone."""
    network: dict[str, Any] = {"backbone": "resnet8_basic", "attention": "se", "limit": 64}
    for name in ("a", "demo"):
        config = TrainConfig(epochs=1, record=True, out=folder / name, **network)
        train(config, progress=False)
    shutil.copytree(folder / "a" / "recording", folder / "mine")
    names = given()
    stripe.record(names["model"], names["loader"], folder / "b", progress=False)
