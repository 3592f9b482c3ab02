"""Training on a GPU: resumed, compiled, under DDP, and without a wait for the device."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import stripe
from stripe.data import DeviceLoader, load_dataset
from stripe.train import TrainConfig, loop, train
from stripe.train.step import make_optimizer, train_step

pytestmark = pytest.mark.gpu


def settings(out: Path, device: torch.device, **options: Any) -> TrainConfig:
    return TrainConfig(
        backbone="resnet11", attention="se", dataset="fashion-mini", limit=320, epochs=2,
        batch_size=32, padding=2, device=device.type, precision="fp32", out=out, **options,
    )  # fmt: skip


def test_a_resumed_run_reaches_what_an_uninterrupted_one_does(
    gpu: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its generators and optimizer go on; kernels of a GPU may add in another order."""
    options: dict[str, Any] = {"noise": "random:0.1,0.1", "record": True, "record_images": 20}
    whole = train(settings(tmp_path / "whole", gpu, **options), progress=False).history
    config = settings(tmp_path / "stopped", gpu, **options)
    steps = iter(range(100))

    def stopped(*args: Any, **named: Any) -> Any:
        if next(steps) == 12:
            raise KeyboardInterrupt
        return train_step(*args, **named)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "train_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(config, progress=False)
    resumed = train(config, resume=True, progress=False).history
    np.testing.assert_allclose(whole["train_loss"], resumed["train_loss"], rtol=0.02)
    np.testing.assert_allclose(whole["test_accuracy"], resumed["test_accuracy"], atol=0.05)


DDP = """
import os, sys, torch
from torch import distributed
import stripe
from stripe.train.step import train_step

device = torch.device(sys.argv[1])
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", RANK="0", WORLD_SIZE="1")
store = distributed.FileStore(sys.argv[2], 1)
backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
distributed.init_process_group(backend, store=store, rank=0, world_size=1)
torch.backends.cudnn.allow_tf32 = False
generator = torch.Generator().manual_seed(0)
images = torch.randn(16, 3, 32, 32, generator=generator).to(device)
labels = torch.arange(16, device=device) % 10
off = torch.autocast(device.type, enabled=False)
weights = []
for shared in (False, True):
    model = stripe.build("resnet11", attention="se", num_classes=10, seed=0).to(device).train()
    network = torch.nn.parallel.DistributedDataParallel(model) if shared else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
    for _ in range(2):
        train_step(network, optimizer, images, labels, off, parts=2)
    weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
torch.testing.assert_close(weights[0], weights[1], rtol=1e-3, atol=1e-4)
distributed.destroy_process_group()
"""


def test_ddp_steps_as_one_process_does(gpu: torch.device, tmp_path: Path) -> None:
    """On a GPU with nccl."""
    command = [sys.executable, "-c", DDP, gpu.type, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]


def test_cuda_graphs_train_as_eager_code_does(cuda: torch.device, tmp_path: Path) -> None:
    losses = [
        train(settings(tmp_path / str(c), cuda, compile=c), progress=False).history["train_loss"]
        for c in (False, True)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)


@contextmanager
def no_waits() -> Iterator[None]:
    """Let a wait for the GPU be an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def network(device: torch.device) -> nn.Module:
    model = stripe.build("resnet11", attention="se", num_classes=10, in_channels=1, seed=0)
    return model.to(device).to(memory_format=torch.channels_last)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("noise", ["constant:0.8,0.5", "random:0.3,0.3"])
def test_a_training_step_waits_for_nothing(cuda: torch.device, tmp_path: Path, noise: str) -> None:
    model, data = network(cuda).train(), load_dataset("fashion-mini", "train").head(96)
    loader = DeviceLoader(data, 32, device=cuda, shuffle=True, augment=True)
    optimizer = make_optimizer(settings(tmp_path, cuda), model)
    autocast = torch.autocast("cuda", torch.bfloat16)
    batches = iter(loader)
    with stripe.inject_noise(model, noise):
        train_step(model, optimizer, *next(batches), autocast)  # libraries set themselves up
        with no_waits():
            train_step(model, optimizer, *next(batches), autocast, parts=2)


def watched(batches: Any, quiet: range) -> Iterator[Any]:
    """Yield batches; while those with these numbers are recorded, a wait is an error."""
    for number, batch in enumerate(batches):
        with no_waits() if number in quiet else nullcontext():
            yield batch


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_recorded_batches_wait_for_nothing(cuda: torch.device, tmp_path: Path) -> None:
    """After the first ones, whose rows are proven, and before the last; the writer may wait."""
    model, data = network(cuda).eval(), load_dataset("fashion-mini", "test").head(256)
    loader: Any = DeviceLoader(data, 32, device=cuda, indices=True)
    first = next(iter(loader))[0]
    with stripe.Recorder(model, tmp_path / "r", first) as recorder:
        recorder.record(watched(loader, range(4, 6)), epoch=0, progress=False)
    labels = stripe.open_recording(tmp_path / "r").rows()["label"]
    assert labels.tolist() == data.labels.tolist()
