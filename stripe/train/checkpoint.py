"""Checkpoints: whole or not there at all, and read without running anything that is in them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import torch
from beartype.door import is_bearable
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stripe.errors import StripeError
from stripe.recording.durable import sync
from stripe.train.run import WEIGHTS

STATE = "state.pt"


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
        Of the losses of these steps, over all processes.
    seconds
        That these steps took.
    history
        One row per finished epoch.
    optimizer
        State of the optimizer.
    generators
        State of the random generator that all processes share: "loader", as it was when the epoch
        began.
    of_processes
        For each process, the states of its own: "torch", "noise" where there is some, and "cuda" on
        a GPU.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    optimizer: dict[str, Any] = field(default_factory=dict)
    generators: dict[str, Tensor] = field(default_factory=dict)
    of_processes: list[dict[str, Tensor]] = field(default_factory=list)


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
    except (OSError, RuntimeError, SafetensorError) as error:  # torch's, of a full disk
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


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, epochs: int
) -> Progress:
    """Load weights and the optimizer's state, and return where the run, of `epochs`, is.

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
    hints = get_type_hints(Progress)
    fits = isinstance(state, dict) and set(state) == set(hints)
    fits = fits and all(is_bearable(state[name], hint) for name, hint in hints.items())
    if not fits or not 0 <= state["epoch"] == len(state["history"]) <= epochs:
        raise StripeError(f"{path / STATE} is no state of this run; remove {path} and start again")
    with restoring(path):
        _check_shapes(state["optimizer"], optimizer)
        optimizer.load_state_dict(state["optimizer"])
    return Progress(**state)


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Turn what does not fit this run, or this device, into an error that names the checkpoint."""
    try:
        yield
    except (KeyError, ValueError, TypeError, RuntimeError, IndexError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StripeError(
            f"{path / STATE} does not fit this run ({reason}); resume it on a device of the kind "
            f"that it began on, or remove {path} and start again"
        ) from error


def _check_shapes(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """Refuse momenta of another shape, which a fused optimizer would read beyond their end."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, of_parameter in state["state"].items():
        for name, value in of_parameter.items():
            if not isinstance(value, Tensor):
                continue
            shape = torch.Size() if name == "step" else parameters[number].shape
            if value.shape != shape or value.numel() * value.element_size() > _held(value):
                raise ValueError(f"{name} of parameter {number} has the shape {tuple(value.shape)}")


def _held(value: Tensor) -> int:
    """Return the bytes that a tensor has of its own; one that was expanded shows more."""
    start = int(value.storage_offset()) * value.element_size()
    return value.untyped_storage().nbytes() - start


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
