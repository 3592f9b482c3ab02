"""Write weights to a file, and read untrusted files with bounded size, without running code."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from stripe.errors import ModelError, StripeError
from stripe.train.manifest import checked


def save_weights(file: Path, model: nn.Module) -> None:
    """Write the weights of a network to a draft, which the caller renames.

    `safetensors.torch.save_file` would first write a file of another name, which only its owner may
    read, and which stays if the process is killed.
    """
    file.write_bytes(save(_own(model.state_dict())))


def load_weights(path: Path, model: nn.Module) -> None:
    """Load weights that a run wrote into the network that it trained.

    Raises
    ------
    StripeError
        If the file is missing, changed or damaged, or of another network.
    """
    weights = weights_of(path)
    if alone := sorted(set(weights) ^ set(model.state_dict())):
        raise StripeError(
            f"{path} holds the weights of another network: {alone[0]} is in only one of the two"
        )
    check_weights(path, weights, model)
    model.load_state_dict(weights)


def weights_of(path: Path) -> dict[str, Tensor]:
    """Return the weights that a run wrote, by name. Errors are those of `load_weights`."""
    try:
        found: dict[str, Tensor] = load_file(checked(path))
    except (OSError, SafetensorError, MemoryError) as error:
        raise StripeError(f"{path} is missing or not a file of weights: {error}") from error
    return found


def check_weights(
    path: Path, weights: Mapping[str, Tensor], model: nn.Module, *, foreign: bool = False
) -> None:
    """Raise an error unless weights have the shapes and kinds of numbers of a network.

    `load_state_dict` would round whole numbers and drop imaginary parts without an error.

    Parameters
    ----------
    path
        The file, for messages.
    weights
        The weights that the file holds, by name.
    model
        The network.
    foreign
        Whether the file is not from a run. NaN then raises an error too.

    Raises
    ------
    ModelError
        If a tensor does not fit.
    """
    for name, value in model.state_dict().items():
        if name not in weights or not isinstance(value, Tensor):  # not of `get_extra_state`
            continue
        came = weights[name]
        if value.shape != came.shape:
            raise ModelError(
                f"{path} holds the weights of another network: {name} must have the shape "
                f"{tuple(value.shape)}, got {tuple(came.shape)}"
            )
        if value.is_floating_point() != came.is_floating_point() or came.is_complex():
            raise ModelError(f"{path} must hold {name} in {value.dtype}, holds {came.dtype}")
        if foreign and came.is_floating_point() and bool(torch.isnan(came).any()):
            raise ModelError(
                f"{path} holds NaN in {name}, as after a training that diverged; give other weights"
            )


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read a state_dict, also a nested one, or one whose names have a prefix.

    Parameters
    ----------
    file
        A .safetensors file, or one that `torch.save` wrote, of tensors only.

    Raises
    ------
    ModelError
        If the file is missing or damaged, or holds something else. No code in it is executed.
    StripeError
        If the file is of a run, and was changed after the run wrote it.
    """
    if not file.is_file():
        raise ModelError(f"weights must be a file, and {file} is not one")
    state = _read(checked(file))
    for key in ("state_dict_ema", "state_dict", "model_ema", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict):
        raise ModelError(f"{file} must hold a state_dict, got {type(state).__name__}")
    if other := [key for key, value in state.items() if not isinstance(value, Tensor)]:
        raise ModelError(
            f"{file} must hold a state_dict of tensors, and {other[0]!r:.60} is "
            f"{type(state[other[0]]).__name__}"
        )
    return {
        str(key).removeprefix("module.").replace("_orig_mod.", ""): value
        for key, value in state.items()
    }


def _read(file: Path) -> Any:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return load_tensors(file)
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, MemoryError) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise ModelError(f"{file} is not a state_dict of tensors: {reason}") from error
    except Exception as error:  # weights_only raises an error of pickle for anything but tensors
        raise ModelError(
            f"{file} must hold tensors only, and holds code or objects; save model.state_dict() "
            "instead of the model"
        ) from error


def load_tensors(file: Path) -> Any:
    """Load tensors and plain values that `torch.save` wrote. No code in the file is executed.

    Raises
    ------
    ValueError
        If it is an archive whose entries unpack to more than its own size. torch writes none.
    Exception
        Any error that torch raises for a file that is damaged or holds other objects.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > file.stat().st_size:
            raise ValueError(f"it would unpack to {unpacked} bytes, more than it has")
    return torch.load(file, map_location="cpu", weights_only=True)


def _own(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give every entry its own memory, which the format requires. Shared modules share memory."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
