"""Start a run from the weights of another network."""

import math
from pathlib import Path

import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from stripe.errors import ModelError, StripeError
from stripe.files import sha256
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.train.checkpoint import latest_checkpoint
from stripe.train.config import TrainConfig
from stripe.train.run import CONFIG, WEIGHTS, read_config
from stripe.train.weights import check_weights, read_weights

#: Largest number of tokens before those of the patches: class, distillation and register tokens.
_MOST_PREFIX_TOKENS = 8


def begin(
    config: TrainConfig, model: nn.Module, classes: int, *, resume: bool
) -> tuple[str | None, list[str]]:
    """Load the initial weights of a run, unless it continues from its own checkpoint.

    Returns
    -------
    tuple
        The SHA-256 of the initial weights, or None if they need not be compared with those with
        which the run began; and the names of the tensors that keep their random values.
    """
    if config.initial is None:
        return None, []
    begun = resume and (
        (config.out / WEIGHTS).exists() or latest_checkpoint(config.out / "checkpoint") is not None
    )
    if begun and read_config(config.out / CONFIG, TrainConfig).initial == config.initial:
        return None, []  # these weights need not exist any more
    file = initial_file(config.initial)
    return sha256(file), [] if begun else start_from(file, model, classes)


def initial_file(initial: Path) -> Path:
    """Return the file of weights of a run, or the given file. Raise an error if it is missing."""
    file = initial / WEIGHTS if initial.is_dir() else initial
    if not file.is_file():
        raise StripeError(
            f"initial must be the directory of a finished run or a file of weights; {file} does "
            "not exist"
        )
    return file


def start_from(file: Path, model: nn.Module, classes: int) -> list[str]:
    """Load the weights of a network that may have another image size or number of classes.

    Position embeddings are resampled if the number of patches differs. A layer with one output per
    class keeps its random weights if the number of classes differs.

    Parameters
    ----------
    file
        A .safetensors file, or one that `torch.save` wrote.
    model
        The network, which gets the weights.
    classes
        Number of classes.

    Returns
    -------
    list of str
        The names of the tensors that keep their values, because the number of classes differs.

    Raises
    ------
    StripeError
        If the file does not exist, is damaged, or holds other tensors than the network.
    """
    given, mine = read_weights(file), model.state_dict()
    if alone := sorted(set(given) ^ set(mine)):
        raise ModelError(
            f"{file} holds the weights of another network: {alone[0]} is in only one of the two"
        )
    anew = []
    for name, value in mine.items():
        if given[name].shape == value.shape:
            continue
        if (positions := _resampled(name, given[name], value)) is not None:
            given[name] = positions
        elif _gives_classes(model, name, given[name], value, classes):
            given[name] = value
            anew.append(name)
        else:
            raise ModelError(
                f"{file} holds the weights of another network: {name} must have the shape "
                f"{tuple(value.shape)}, got {tuple(given[name].shape)}"
            )
    check_weights(file, given, model, foreign=True)
    model.load_state_dict(given)
    return anew


def _resampled(name: str, given: Tensor, mine: Tensor) -> Tensor | None:
    """Return position embeddings (1, tokens, channels) for another number of patches."""
    embeds = name.rpartition(".")[2].startswith("pos") and given.ndim == mine.ndim == 3
    if not embeds or given.shape[::2] != mine.shape[::2]:
        return None
    for prefix in range(_MOST_PREFIX_TOKENS + 1):
        old, new = (_side(tokens.shape[1] - prefix) for tokens in (given, mine))
        if old and new:
            with interrupts_held(), torch.no_grad(), interrupts_allowed():
                resampled: Tensor = resample_abs_pos_embed(
                    given, [new, new], [old, old], num_prefix_tokens=prefix
                )
            return resampled
    return None


def _side(patches: int) -> int:
    """Return the side of a square of patches, or 0 if they do not form a square."""
    side = math.isqrt(max(0, patches))
    return side if side * side == patches else 0


def _gives_classes(model: nn.Module, name: str, given: Tensor, mine: Tensor, classes: int) -> bool:
    """Tell whether a tensor is of a layer with one output per class, and differs only there."""
    layer = model.get_submodule(name.rpartition(".")[0])
    return (
        isinstance(layer, nn.Linear | nn.Conv2d)
        and mine.ndim > 0
        and mine.shape[0] == classes != given.shape[0]
        and mine.shape[1:] == given.shape[1:]
    )
