"""Recordings, interventions and maps on a GPU, against the same on the CPU."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import stripe
from stripe.data import DeviceLoader, load_dataset
from stripe.hooks.batch_buffer import ValueBuffer
from stripe.robustness import attack

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Let convolutions on a GPU compute in float32, as the CPU does."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def network() -> nn.Module:
    return stripe.build(
        "resnet11", attention="se", num_classes=10, in_channels=1, image_size=28, seed=0
    ).eval()


def loader(device: torch.device, images: int = 40) -> Any:
    data = load_dataset("fashion-mini", "test").head(images)
    return DeviceLoader(data, 16, device=device, indices=True)


def labelled(device: torch.device) -> Any:
    return DeviceLoader(load_dataset("fashion-mini", "test").head(40), 16, device=device)


def record(device: torch.device, path: Path, **options: Any) -> stripe.Recording:
    model = network().to(device)
    return stripe.record(model, loader(device), path, progress=False, **options)


def assert_alike(some: stripe.Recording, other: stripe.Recording, tolerance: float) -> None:
    assert some.rows()[["image", "label"]].equals(other.rows()[["image", "label"]])
    for gate in some.gates["name"]:
        np.testing.assert_allclose(some.values(gate), other.values(gate), atol=tolerance)
        np.testing.assert_allclose(some.inputs(gate), other.inputs(gate), atol=10 * tolerance)


def test_a_recording_is_that_of_the_cpu(gpu: torch.device, tmp_path: Path) -> None:
    here, there = record(torch.device("cpu"), tmp_path / "cpu"), record(gpu, tmp_path / "gpu")
    assert_alike(here, there, 1e-4)
    assert (here.rows()["prediction"] == there.rows()["prediction"]).mean() > 0.95


def test_capture_under_autocast(gpu: torch.device, tmp_path: Path) -> None:
    exact = record(gpu, tmp_path / "exact")
    with torch.autocast(gpu.type, torch.bfloat16):
        assert_alike(exact, record(gpu, tmp_path / "half"), 0.03)


def test_moments_are_those_of_the_values(gpu: torch.device, tmp_path: Path) -> None:
    kept = record(gpu, tmp_path / "moments", values=False)
    moments = [stripe.stats.channel_moments(r) for r in (kept, record(gpu, tmp_path / "values"))]
    assert moments[0][["gate", "channel", "n"]].equals(moments[1][["gate", "channel", "n"]])
    for name in ("mean", "std", "min", "max"):
        np.testing.assert_allclose(moments[0][name], moments[1][name], atol=1e-5)


def test_a_batch_on_its_way_is_not_changed_by_the_next(gpu: torch.device) -> None:
    buffer = ValueBuffer({"a": 4096}, gpu)
    batches = []
    for number in range(8):
        buffer.start(512)
        buffer.fill("a", torch.full((512, 4096), float(number), device=gpu))
        batches.append(buffer.to_host())
    for number, batch in enumerate(batches):
        assert (batch()["a"] == number).all()


def test_the_mean_map_is_that_of_the_cpu(gpu: torch.device) -> None:
    cams = [
        stripe.mean_cam(network().to(device), loader(device), "layer3", progress=False)
        for device in (torch.device("cpu"), gpu)
    ]
    np.testing.assert_allclose(cams[0].mean, cams[1].mean, atol=5e-3)


def test_noise_is_the_formula_and_random_noise_is_drawn_again(gpu: torch.device) -> None:
    model, images = network(), next(iter(loader(torch.device("cpu"))))[0]
    with torch.no_grad(), stripe.inject_noise(model, "constant:0.8,0.5"):
        expected = model(images)
    model.to(gpu)
    with torch.no_grad(), stripe.inject_noise(model, "constant:0.8,0.5"):
        torch.testing.assert_close(model(images.to(gpu)).cpu(), expected, rtol=1e-3, atol=1e-3)
    drawn = []
    for seed in (1, 1, 2):
        with torch.no_grad(), stripe.inject_noise(model, "random:0.3,0.3", seed=seed):
            drawn.append(model(images.to(gpu)))
    torch.testing.assert_close(drawn[0], drawn[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(drawn[0], drawn[2], rtol=1e-2, atol=1e-2)


def test_an_attack_is_that_of_the_cpu(gpu: torch.device) -> None:
    tables = [
        attack(network().to(d), labelled(d), ["constant:0.8,0.5"], progress=False)
        for d in (torch.device("cpu"), gpu)
    ]
    np.testing.assert_allclose(tables[0]["accuracy"], tables[1]["accuracy"], atol=0.03)


def test_a_frozen_network_computes_what_its_constants_do(gpu: torch.device, tmp_path: Path) -> None:
    recording = record(gpu, tmp_path / "recording")
    model, images = network().to(gpu), next(iter(loader(gpu)))[0]
    frozen = stripe.freeze(model, recording, gates="all")
    assert frozen.error < 1e-4
    with torch.no_grad(), stripe.intervene(model, "mean", recording):
        expected = model(images)
    with torch.no_grad():
        torch.testing.assert_close(frozen.model(images), expected, rtol=1e-3, atol=1e-3)


def test_sensitivity_is_that_of_the_cpu(gpu: torch.device, tmp_path: Path) -> None:
    found: list[Any] = []
    for device in (torch.device("cpu"), gpu):
        recording = record(device, tmp_path / str(len(found)))
        model = network().to(device)
        found.append(stripe.sensitivity(model, loader(device), recording, progress=False).gates)
    for name in ("first_order", "fisher"):
        largest = found[0][name].abs().max()
        np.testing.assert_allclose(found[0][name], found[1][name], atol=0.1 * largest)
