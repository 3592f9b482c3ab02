"""Load the network that `--model` names: a run, a name, a function or an ONNX file."""

import json
import math
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from stripe.backbones import build
from stripe.backbones.own import is_function, own_network
from stripe.defaults import NUM_CLASSES
from stripe.errors import ModelError, UnknownNameError
from stripe.files import check_target, parse_json, read_regular, saving
from stripe.gates import freeze_at
from stripe.modules.seeded import seeded
from stripe.modules.unwrap import unwrapped
from stripe.train import TrainConfig
from stripe.train.run import CONFIG, read_config
from stripe.train.trained import trained_network, untrained_network
from stripe.train.weights import check_weights, read_weights, save_weights

#: Ending of a file of frozen weights.
OF_WEIGHTS = (".safetensors",)
#: Largest number of values in an image or a gate.
_MOST = 1 << 26


def load_network(
    model: str,
    *,
    weights: Path | None = None,
    pretrained: bool = False,
    num_classes: int = NUM_CLASSES,
    attention: str | None = None,
    seed: int = 0,
    data_root: Path | None = None,
) -> nn.Module:
    """Return the network that a command line names, in evaluation mode.

    Parameters
    ----------
    model
        "timm:NAME", "tv:NAME", "module:function" (imported from the working directory too, called
        without arguments), a name for `stripe.build`, or the directory of a training run.
    weights
        A state_dict: .safetensors, or a file that `torch.save` wrote, of tensors only.
    pretrained
        Use the weights that timm or torchvision publish.
    num_classes, attention
        As for `stripe.build`.
    seed
        Seed of random weights, also of those that a function draws from torch's generator.
    data_root
        The folder that holds data sets, for a run that does not store the shape of its data.
        Default: the folder of the run.

    Raises
    ------
    UnknownNameError, ModelError
        If there is no such network, or the weights do not fit it.
    """
    if is_onnx(model):
        raise ModelError(
            f"this command takes a network of torch, got the ONNX file {model}; gates, record, "
            "freeze and audit take one"
        )
    run = run_of(model)
    if run is not None or is_function(model):
        options = {"pretrained": pretrained, "attention": attention is not None}
        options["num-classes"] = num_classes != NUM_CLASSES
        if wrong := [name for name, given in options.items() if given]:
            raise ModelError(
                f"--{wrong[0]} is for names of networks; {model!r} is built without it"
            )
    if run is not None:
        if weights is None:
            return trained_network(run, data_root=data_root)
        network = untrained_network(run, data_root=data_root)
    elif is_function(model):
        with seeded(seed):
            network = own_network(model)
    elif Path(model).is_file() and not model.endswith(".py"):
        raise ModelError(
            f"--model names a network, and {model} is a file; for a file of weights, give "
            f"--model module:function --weights {model}"
        )
    elif model.endswith(".py") or "/" in model.removeprefix("timm:"):
        raise ModelError(
            "a model is timm:NAME, tv:NAME, module:function, the directory of a training run (with "
            f"config.json) or a name for stripe.build, got {model!r}; for a file mine.py give "
            "mine:FUNCTION"
        )
    elif pretrained:
        if attention is not None:
            raise ModelError(
                "--attention is for names of stripe.build; leave it out with --pretrained"
            )
        network = _published(model, num_classes)
    else:
        network = _built(model, num_classes=num_classes, attention=attention, seed=seed)
    if weights is not None:
        network = _load_weights(network, weights)
    return network.eval()


def _built(model: str, **options: Any) -> nn.Module:
    """Build a network by its name. The error names a file of this name that holds functions."""
    try:
        return build(model, **options)
    except UnknownNameError as error:
        if not Path(f"{model}.py").is_file():
            raise
        raise ModelError(
            f"{model!r} is not the name of a network; for a function in {model}.py, give "
            f"{model}:FUNCTION"
        ) from error


def has_weights(model: str) -> bool:
    """Tell whether the source of a model has weights: an ONNX file, a run or a function."""
    return is_onnx(model) or run_of(model) is not None or is_function(model)


def is_onnx(model: str) -> bool:
    """Tell whether the source of a model is an ONNX file."""
    return Path(model).suffix.lower() == ".onnx"


def run_of(model: str) -> Path | None:
    """Return the directory of a training run, or None if `model` is not one."""
    return Path(model) if (Path(model) / CONFIG).is_file() else None


def dataset_of(run: Path | None) -> str | None:
    """Return the data set of a training run."""
    return None if run is None else read_config(run / CONFIG, TrainConfig).dataset


def _published(model: str, num_classes: int) -> nn.Module:
    library, _, name = model.partition(":")
    if library not in ("timm", "tv"):
        raise ModelError(
            f"--pretrained needs a network of timm or torchvision, got {model!r}; leave it out"
        )
    try:
        if library == "timm":
            network: nn.Module = timm.create_model(name, pretrained=True, num_classes=num_classes)
            return network
        from torchvision.models import get_model

        if num_classes != NUM_CLASSES:
            raise ModelError(
                f"the weights of torchvision have {NUM_CLASSES} classes, got --num-classes "
                f"{num_classes}; leave it out, or use timm's network"
            )
        network = get_model(name, weights="DEFAULT")
    except (RuntimeError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"the weights of {model} could not be fetched: {reason}; give a file with --weights"
        ) from error
    return network


def _load_weights(network: nn.Module, path: Path) -> nn.Module:
    """Load a state_dict, also that of a frozen network."""
    state = read_weights(path)
    recipe = path.with_suffix(".frozen.json")
    network = _refrozen(network, recipe) if recipe.is_file() else unwrapped(network)
    check_weights(path, state, network, foreign=True)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise ModelError(f"{path} does not fit the network: {lines[-1][:300]} ...") from error
    return network


def write_frozen(frozen: nn.Module, path: Path, recipe: dict[str, Any]) -> None:
    """Write the weights of a frozen network, and a file with which `load_network` can use them.

    Parameters
    ----------
    recipe
        "gates", with the name, the channels and whether it was folded for each frozen gate, and
        "input_shape".
    """
    check_target(path, OF_WEIGHTS, "a file of weights")
    with saving(path.with_suffix(".frozen.json")) as said:
        said.write_text(json.dumps(recipe, indent=1) + "\n")
        with saving(path) as weights:
            save_weights(weights, frozen)


def _refrozen(network: nn.Module, recipe: Path) -> nn.Module:
    """Freeze the gates of a network that were frozen when its weights were written."""
    example, gates = _read_recipe(recipe)
    for folded in (True, False):
        means = {
            name: [0.5] * channels for name, channels, is_folded in gates if is_folded is folded
        }
        if means:
            network = freeze_at(network, means, fold=folded, example=example).model
    return network


def _read_recipe(file: Path) -> tuple[torch.Tensor, list[tuple[str, int, bool]]]:
    """Return an example of the images, and the name, channels and kind of each frozen gate."""
    try:
        said = parse_json(read_regular(file))
        gates = [(gate["gate"], gate["channels"], gate["folded"]) for gate in said["gates"]]
        for name, channels, folded in gates:
            if not (type(name) is str and type(channels) is int and type(folded) is bool):
                raise ValueError(f"a gate has a name, channels and folded, got {name!r:.60}")
            if not 0 < channels <= _MOST:
                raise ValueError(f"{name} has {channels} channels")
        shape = said["input_shape"]
        if not all(type(side) is int and side > 0 for side in shape) or math.prod(shape) > _MOST:
            raise ValueError(f"input_shape is {shape!r:.60}")
        return torch.zeros(2, *shape), gates
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(
            f"{file} does not say which gates are frozen ({type(error).__name__}: {error}); "
            "restore it from a copy"
        ) from error
