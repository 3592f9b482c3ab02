"""The options of a command have the defaults of the function that it calls."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, signature
from typing import Any

import pytest

import stripe
from stripe import plots, stats
from stripe.cards import About
from stripe.cli.app import app
from stripe.cli.options.model import Source
from stripe.defaults import LIMIT
from stripe.demos.fps import fps_table
from stripe.intervene.ablate import ablate
from stripe.style import compare as compare_styles

#: Commands, and the functions that they call.
CALLS: list[tuple[str, Callable[..., Any]]] = [
    ("record", stripe.Recorder),
    ("audit", stripe.audit),
    ("cam", stripe.mean_cam),
    ("bound", stripe.noise_bound),
    ("freeze", stripe.freeze),
    ("ablate", ablate),
    ("sensitivity", stripe.sensitivity),
    ("card", About),
    ("bench fps", fps_table),
    ("style compare", compare_styles),
    ("stats index", stats.stripe_index),
    ("stats compare", stats.compare),
    *((f"stats {name.replace('_', '-')}", getattr(stats, name)) for name in (
        *("variance_components", "effective_rank", "saturation", "class_information"),
        *("epoch_similarity", "gate_similarity"),
    )),
    *((f"plot {name.replace('_', '-')}", getattr(plots, name)) for name in (
        *("stripes", "channel_std", "epoch_difference", "overview", "spatial_attention"),
        *("gate_spread", "compare", "variance_components", "effective_rank", "saturation"),
        *("epoch_similarity", "gate_similarity", "class_information", "mean_cam"),
    )),
]  # fmt: skip
#: Options whose default differs from that of the argument, and why.
DIFFERENT = {
    ("ablate", "interventions"): "the command adds class means where the labels are known",
    ("style compare", "seed"): "None is the seed of StyleConfig",
    ("audit", "limit"): "the command takes LIMIT of None, which has another meaning elsewhere",
    ("bench fps", "device"): "a command uses the GPU, a function the device that it is given",
    ("plot mean-cam", "heading"): "the command writes the name of the file",
    ("record", "seed"): "a command always has a seed",
}


def defaults(of: Any) -> Iterator[tuple[str, Any]]:
    """Yield each argument with its default; of a command, each option."""
    for one in signature(of).parameters.values():
        options = one.annotation if is_dataclass(one.annotation) else one.default
        if is_dataclass(options):
            yield from (
                (field.name, getattr(options, field.name, MISSING)) for field in fields(options)
            )
        elif one.default is not Parameter.empty:
            yield one.name, one.default


def same(option: Any, argument: Any) -> bool:
    """Tell whether defaults mean the same: nothing and "all" are the default of a selection."""
    plain = [None if one in ((), ("all",), "all") else one for one in (option, argument)]
    return plain[0] == plain[1] or (None not in plain and str(plain[0]) == str(plain[1]))


@pytest.mark.parametrize(("command", "function"), CALLS, ids=[name for name, _ in CALLS])
def test_a_command_has_the_defaults_of_its_function(
    command: str, function: Callable[..., Any]
) -> None:
    made = app
    for name in command.split():
        made = made[name]
    options, arguments = dict(defaults(made.default_command)), dict(defaults(function))
    differ = {
        name
        for name in options.keys() & arguments.keys()
        if MISSING not in (options[name], arguments[name])
        and not same(options[name], arguments[name])
    }
    assert differ == {name for one, name in DIFFERENT if one == command}


def groups_of_options() -> Iterator[tuple[str, Any]]:
    """Yield each group of options of each command, with its default."""
    for name, command in commands(app):
        for one in signature(command.default_command).parameters.values():
            if is_dataclass(one.default):
                yield f"{name} {one.name}", one.default


def commands(of: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the commands of an app, also those of the apps in it."""
    for name in of:
        if name.startswith("-"):
            continue
        if of[name].default_command is not None:
            yield f"{prefix}{name}", of[name]
        yield from commands(of[name], f"{prefix}{name} ")


@pytest.mark.parametrize(("where", "default"), [*groups_of_options()], ids=str)
def test_an_option_does_not_change_the_others_of_its_group(where: str, default: Any) -> None:
    """A group without an option is its default; with one, the others have those of the class."""
    assert default == type(default)()


def test_the_limit_of_a_comparison() -> None:
    assert f"{LIMIT:,} for audit, ablate and sensitivity" in (Source.__doc__ or "")
