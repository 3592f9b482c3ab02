"""Checkpoints: whole or not there at all, and read without running anything that is in them."""

import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stripe.errors import StripeError
from stripe.recording.durable import sync

WEIGHTS, STATE = "model.safetensors", "state.pt"


@dataclass
class Progress:
    """Where a run is, and all that decides how it goes on.

    Parameters
    ----------
    epoch
        Finished epochs.
    batch
        Steps taken in the next one.
    loss_sum
        Of the losses of these steps.
    seconds
        That these steps took.
    history
        One row per finished epoch.
    optimizer
        State of the optimizer.
    generators
        States of random generators: "torch" and, on a GPU, "cuda"; "loader", as it was when the
        epoch began; "noise".
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    optimizer: dict[str, Any] = field(default_factory=dict)
    generators: dict[str, Tensor] = field(default_factory=dict)


def save_checkpoint(folder: Path, model: nn.Module, progress: Progress) -> None:
    """Write a checkpoint beside the last one, make it appear at once, and remove the last."""
    name = f"epoch={progress.epoch:05d}-batch={progress.batch:07d}"
    staging = folder / "staging"
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        save_file(_own(model.state_dict()), str(staging / WEIGHTS))
        torch.save(asdict(progress), staging / STATE)
        for file in (staging / WEIGHTS, staging / STATE, staging):
            sync(file)
        if not (folder / name).exists():
            staging.rename(folder / name)
            sync(folder)
    except (OSError, SafetensorError) as error:
        raise StripeError(f"cannot write the checkpoint {folder / name}: {error}") from error
    for path in folder.iterdir():
        if path.name != name:
            shutil.rmtree(path, ignore_errors=True)


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the last whole checkpoint of a run, None if there is none."""
    return max(folder.glob("epoch=*"), default=None) if folder.is_dir() else None


def finished_epochs(folder: Path) -> int:
    """Return how many epochs the last whole checkpoint of a run has finished."""
    last = latest_checkpoint(folder)
    return 0 if last is None else int(last.name[len("epoch=") :].partition("-")[0])


def load_checkpoint(path: Path, model: nn.Module) -> Progress:
    """Load the weights into `model` and return where the run is.

    Raises
    ------
    StripeError
        If a file is damaged, holds anything but tensors and numbers, or is of another network; the
        message names it. Nothing in it is run.
    """
    load_weights(path / WEIGHTS, model)
    try:
        state = torch.load(path / STATE, map_location="cpu", weights_only=True)
    except Exception as error:  # what damaged or hostile files raise has no common type
        raise StripeError(
            f"{path / STATE} is damaged, or holds more than tensors and numbers; remove {path} and "
            "start again"
        ) from error
    names = {field.name for field in fields(Progress)}
    if not isinstance(state, dict) or set(state) != names:
        raise StripeError(f"{path / STATE} is no state of a run; remove {path} and start again")
    return Progress(**state)


def save_weights(path: Path, model: nn.Module) -> None:
    """Write the weights of a finished run, whole or not at all."""
    draft = path.with_suffix(".draft")
    try:
        save_file(_own(model.state_dict()), str(draft))
        sync(draft)
        draft.replace(path)
    except (OSError, SafetensorError) as error:
        raise StripeError(f"cannot write {path}: {error}") from error


def load_weights(path: Path, model: nn.Module) -> None:
    """Load weights that a run wrote into the network that it trained.

    Raises
    ------
    StripeError
        If the file is damaged, or of another network.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StripeError(f"{path} is missing or no file of weights: {error}") from error
    mine = model.state_dict()
    if missing := sorted(set(mine) ^ set(weights)):
        raise StripeError(
            f"{path} holds the weights of another network: {missing[0]} is in only one of the two"
        )
    for name, value in mine.items():
        if value.shape != weights[name].shape:
            raise StripeError(
                f"{path} holds the weights of another network: {name} must have the shape "
                f"{tuple(value.shape)}, got {tuple(weights[name].shape)}"
            )
    model.load_state_dict(weights)


def _own(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give every entry memory of its own, as the format wants it: shared modules share weights."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
