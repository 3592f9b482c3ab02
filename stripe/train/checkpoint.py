"""Checkpoints of a run: complete or absent, and read by the rules of `weights.py`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import torch
from beartype.door import is_bearable
from safetensors import SafetensorError
from torch import Tensor, nn

from stripe.errors import StripeError
from stripe.files import make_folder, refuse_links, sync
from stripe.train.manifest import (
    MANIFEST,
    OF_RUN,
    checked,
    digests_of,
    read_manifest,
    write_manifest,
)
from stripe.train.run import CONFIG, WEIGHTS
from stripe.train.weights import load_tensors, load_weights, save_weights

STATE = "state.pt"
STAGING = "staging"
#: Nothing else is written into the folder of a checkpoint, and nothing else is deleted there.
_FILES = (WEIGHTS, STATE, MANIFEST, f"{MANIFEST}.draft")
#: Files that safetensors left after a run of an earlier version was killed.
_LEFT = re.compile(r"\.tmp\w{6}")
_NAME = re.compile(r"epoch=(\d{5,})-batch=(\d{7,})")


@dataclass
class TrainingState:
    """The position of a run, and all state that determines how it continues.

    Parameters
    ----------
    epoch
        Number of finished epochs.
    batch
        Number of steps taken in the next epoch.
    loss_sum
        Sum of the losses of these steps, over all processes.
    seconds
        Time of these steps.
    history
        One row per finished epoch.
    optimizer
        State of the optimizer.
    generators
        State of the random generator that all processes share: "loader", from the beginning of the
        epoch.
    of_processes
        For each process, the states of its own generators: "torch", "noise" for a run with noise,
        and "cuda" on a GPU.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    optimizer: dict[str, Any] = field(default_factory=dict)
    generators: dict[str, Tensor] = field(default_factory=dict)
    of_processes: list[dict[str, Tensor]] = field(default_factory=list)


def save_checkpoint(folder: Path, model: nn.Module, progress: TrainingState) -> None:
    """Write a complete checkpoint under its final name, then remove the previous checkpoint.

    Raises
    ------
    StripeError
        If the checkpoint cannot be written, or its path is a link.

    Notes
    -----
    Other files in `folder` are not changed. The manifest of the checkpoint also names the
    configuration of the run, in the folder above `folder`.
    """
    name = f"epoch={progress.epoch:05d}-batch={progress.batch:07d}"
    new, staging = folder / name, folder / STAGING
    refuse_links(folder, new)
    _check_staging(staging)
    try:
        _remove(staging)
        if not new.exists():
            make_folder(folder)
            staging.mkdir()
            save_weights(staging / WEIGHTS, model)
            with (staging / STATE).open("wb") as file:  # its error gives the reason
                torch.save(asdict(progress), file)
            sync(staging / WEIGHTS)
            sync(staging / STATE)
            written = digests_of(staging, (WEIGHTS, STATE))
            write_manifest(staging, written | _of_run(folder.parent))
            staging.rename(new)
            sync(folder)
            sync(folder.parent)
        for old in _checkpoints(folder):
            if old != new and _is_ours(old):
                old.rename(staging)  # at once, so that no half of it looks like a checkpoint
                _remove(staging)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise StripeError(
            f"cannot write the checkpoint {new}: {_reason(error)}; make room, and continue the run "
            "with --resume"
        ) from error


def _reason(error: BaseException) -> str:
    """Return the message of the disk's error, also if torch raised its own error because of it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    said = str(error) if cause is None else cause.strerror or str(cause)
    return said.partition("\n")[0]


def _of_run(run: Path) -> dict[str, str]:
    """Return the digest of the configuration with which a run began; empty if there is none."""
    known = read_manifest(run) or digests_of(run, (CONFIG,))
    return {OF_RUN: known[CONFIG]} if CONFIG in known else {}


def check_run(path: Path) -> None:
    """Raise a `StripeError` if a checkpoint was not written by the run in whose directory it is.

    Old checkpoints that do not name their run are accepted.
    """
    named = (read_manifest(path) or {}).get(OF_RUN)
    run = path.parent.parent
    if named is not None and named != _of_run(run).get(OF_RUN):
        raise StripeError(
            f"{path} is a checkpoint of another run than {run / CONFIG}, or its manifest is "
            f"damaged; put this run's own in its place, or remove {path} to train from the start"
        )


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the last complete checkpoint of a run, or None.

    Raises
    ------
    StripeError
        If the checkpoint is a link, or the folder for unfinished checkpoints holds other files.
    """
    refuse_links(folder)
    _check_staging(folder / STAGING)
    found = _checkpoints(folder)
    refuse_links(*found)
    return found[-1] if found else None


def finished_epochs(folder: Path) -> int:
    """Return the number of finished epochs in the last complete checkpoint of a run."""
    last = latest_checkpoint(folder)
    return 0 if last is None else place_of(last)[0]


def _checkpoints(folder: Path) -> list[Path]:
    """Return the folders with names of checkpoints, the last one at the end."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=place_of)


def place_of(path: Path) -> tuple[int, int]:
    """Return the numbers of finished epochs, and of steps in the next epoch, of a checkpoint."""
    named = _NAME.fullmatch(path.name)
    assert named is not None
    return int(named[1]), int(named[2])


def _check_staging(staging: Path) -> None:
    """Raise an error for a folder of this name that holds other files, instead of emptying it."""
    refuse_links(staging)
    if staging.exists() and not _is_ours(staging):
        raise StripeError(
            f"{staging} is the folder for unfinished checkpoints, and holds other files; move them "
            "elsewhere"
        )


def _is_ours(folder: Path) -> bool:
    """Tell whether a folder holds nothing but files of a checkpoint."""
    return folder.is_dir() and not folder.is_symlink() and all(map(_is_file, folder.iterdir()))


def _is_file(path: Path) -> bool:
    """Tell whether a path is a file of a checkpoint, by its name."""
    named = path.name in _FILES or _LEFT.fullmatch(path.name) is not None
    return named and path.is_file() and not path.is_symlink()


def _remove(folder: Path) -> None:
    """Remove the files of a checkpoint, and its folder."""
    if folder.exists():
        for path in filter(_is_file, list(folder.iterdir())):
            path.unlink()
        folder.rmdir()


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, epochs: int
) -> TrainingState:
    """Load weights and the optimizer's state, and return the position of a run of `epochs` epochs.

    Raises
    ------
    StripeError
        If a file is changed or damaged, holds anything but tensors and numbers, or is of another
        network or run. The message names the file. No code in a file is executed.
    """
    check_run(path)
    load_weights(path / WEIGHTS, model)
    file = checked(path / STATE)
    try:
        state = load_tensors(file)
    except Exception as error:  # damaged or hostile files raise many types
        raise StripeError(
            f"{path / STATE} is damaged, or holds more than tensors and numbers; remove {path} and "
            "start again"
        ) from error
    hints = get_type_hints(TrainingState)
    fits = isinstance(state, dict) and set(state) == set(hints)
    fits = fits and all(is_bearable(state[name], hint) for name, hint in hints.items())
    if not fits or not 0 <= state["epoch"] == len(state["history"]) <= epochs:
        raise StripeError(
            f"{path / STATE} does not belong to this run; remove {path} and start again"
        )
    with restoring(path):
        _check_shapes(state["optimizer"], optimizer)
        optimizer.load_state_dict(state["optimizer"])
    return TrainingState(**state)


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Name the checkpoint in the error if its state does not fit this run or this device."""
    try:
        yield
    except (KeyError, ValueError, TypeError, RuntimeError, IndexError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StripeError(
            f"{path / STATE} does not fit this run ({reason}); resume it on a device of the kind "
            f"that it began on, or remove {path} and start again"
        ) from error


def _check_shapes(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """Refuse momenta of a wrong shape. A fused optimizer would read beyond their end."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, of_parameter in state["state"].items():
        for name, value in of_parameter.items():
            if not isinstance(value, Tensor):
                continue
            shape = torch.Size() if name == "step" else parameters[number].shape
            if value.shape != shape or value.numel() * value.element_size() > _held(value):
                raise ValueError(f"{name} of parameter {number} has the shape {tuple(value.shape)}")


def _held(value: Tensor) -> int:
    """Return the bytes that a tensor's storage holds. An expanded tensor has more elements."""
    start = int(value.storage_offset()) * value.element_size()
    return value.untyped_storage().nbytes() - start
