"""The training loop, from top to bottom."""

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Int64
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from stripe.backbones import build
from stripe.data import DeviceLoader, load_dataset
from stripe.gates import undisturbed
from stripe.hooks import Recorder
from stripe.robustness import inject_noise
from stripe.train.config import TrainConfig
from stripe.train.device import resolve_device
from stripe.train.run import open_run, write_history
from stripe.train.schedule import learning_rate

EVALUATION_BATCH = 500


@dataclass(frozen=True)
class TrainResult:
    """What a run reached.

    Parameters
    ----------
    model
        The trained network, on the run's device, in training mode.
    history
        One row per epoch: epoch (1 to epochs), lr, train_loss (mean), test_accuracy (share of the
        whole test set), seconds (training alone).
    recording
        Directory of the recorded gates, if there is one.

    Notes
    -----
    `best` is the largest of many test accuracies and so flatters; `last` and `last_ten` do not.
    """

    model: nn.Module
    history: pd.DataFrame
    recording: Path | None

    @property
    def best(self) -> float:
        """The largest test accuracy of any epoch."""
        return float(self.history["test_accuracy"].max())

    @property
    def last(self) -> float:
        """The test accuracy after the last epoch."""
        return float(self.history["test_accuracy"].iloc[-1])

    @property
    def last_ten(self) -> float:
        """The mean test accuracy of the last ten epochs, or of all if there are fewer."""
        return float(self.history["test_accuracy"].tail(10).mean())


def train(config: TrainConfig, *, progress: bool = True) -> TrainResult:
    """Train a network as `config` says.

    The run leaves `config.json` (with versions), `history.csv`, the last weights in
    `model.safetensors` and, on request, `recording/` in `config.out`. Ctrl-C leaves the epochs that
    were finished.

    Parameters
    ----------
    config
        The run.
    progress
        Show a progress bar; a log file gets a line every ten seconds.

    Raises
    ------
    StripeError
        If `config.out` is not empty, or a name or size in the configuration does not exist.
    """
    device = resolve_device(config.device)
    train_set = load_dataset(config.dataset, "train")
    test_set = load_dataset(config.dataset, "test")
    train_loader = DeviceLoader(
        train_set,
        config.batch_size,
        device=device,
        shuffle=True,
        augment=True,
        padding=config.padding,
        seed=config.seed,
    )
    test_loader = DeviceLoader(test_set, EVALUATION_BATCH, device=device)
    probe_loader = DeviceLoader(
        test_set.head(config.record_images), EVALUATION_BATCH, device=device
    )

    model = build(
        config.backbone,
        num_classes=len(train_set.classes),
        in_channels=train_set.images.shape[1],
        attention=config.attention,
        asr=config.asr,
        seed=config.seed,
    ).to(device)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
        fused=True,
    )

    open_run(config)
    history: list[dict[str, Any]] = []
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng())
        torch.manual_seed(
            config.seed
        )  # of dropout; weights and images have generators of their own
        if config.noise is not None:
            stack.enter_context(inject_noise(model, config.noise, seed=config.seed))
        recorder = None
        if config.record:
            example = next(iter(probe_loader))[0][:2]
            recorder = stack.enter_context(
                Recorder(
                    model,
                    config.out / "recording",
                    example,
                    name=f"{config.backbone}, attention {config.attention}, asr {config.asr}",
                    dataset=probe_loader.dataset.name,
                    seed=config.seed,
                )
            )
            recorder.record(probe_loader, epoch=0, progress=progress)

        steps = config.epochs * len(train_loader)
        total = config.epochs * len(train_set)
        often = 0.1 if sys.stderr.isatty() else 10.0  # seconds; a log file wants fewer lines
        bar = stack.enter_context(
            tqdm(total=total, desc="train", unit=" images", disable=not progress, mininterval=often)
        )
        step = 0
        for epoch in range(1, config.epochs + 1):
            started = time.perf_counter()
            loss_sum = torch.zeros((), device=device)  # read once an epoch: no wait per step
            model.train()
            for images, labels in train_loader:
                lr = learning_rate(config, step / steps)
                for group in optimizer.param_groups:
                    group["lr"] = lr
                loss = train_step(model, optimizer, images, labels, _autocast(config, device))
                loss_sum += loss * len(labels)
                step += 1
                bar.update(len(labels))
            train_loss = loss_sum.item() / len(train_set)
            seconds = time.perf_counter() - started

            with _autocast(config, device):
                test_accuracy = accuracy(model, test_loader)
            if recorder is not None:
                recorder.record(probe_loader, epoch=epoch, progress=progress)
            history.append({
                "epoch": epoch,
                "lr": lr,
                "train_loss": train_loss,
                "test_accuracy": test_accuracy,
                "seconds": seconds,
            })  # fmt: skip
            write_history(config.out / "history.csv", history)
            bar.set_postfix(loss=f"{train_loss:.3f}", test=f"{test_accuracy:.3f}")

    save_model(model, str(config.out / "model.safetensors"))
    recording = config.out / "recording" if config.record else None
    return TrainResult(model, pd.DataFrame(history), recording)


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Float[Tensor, "b c h w"],
    labels: Int64[Tensor, " b"],
    autocast: torch.autocast,
) -> Float[Tensor, ""]:
    """Take one step, the forward pass under `autocast`, without waiting for the device."""
    with autocast:
        loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach()


def accuracy(model: nn.Module, loader: DeviceLoader) -> float:
    """Return the share of the images of `loader` that `model` puts in their class."""
    correct = torch.zeros((), dtype=torch.int64, device=loader.device)
    with undisturbed(model):
        for images, labels in loader:
            logits: Float[Tensor, "b classes"] = model(images)
            correct += (logits.argmax(1) == labels).sum()
    return correct.item() / len(loader.dataset)


def _autocast(config: TrainConfig, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")
