"""Replace gates by their means over images, and fold them away."""

import copy
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from stripe.asr import Gated
from stripe.asr.difference import (
    check_difference,
    largest_difference,
    likely_shapes,
    rounding_bound,
)
from stripe.errors import ModelError, RecordingError, UnknownNameError
from stripe.gates.axis import CannotFoldError
from stripe.gates.choose import Choice, chosen_gates
from stripe.gates.constant import ConstantGate, ConstantScale, PassOn
from stripe.gates.example import checked_example
from stripe.gates.find import DEFAULT_KINDS, Place, places
from stripe.gates.fingerprint import check_fingerprint
from stripe.gates.fold import Flow, Scaling, Vector
from stripe.gates.trace import Trace, trace
from stripe.gates.undisturbed import undisturbed
from stripe.gates.unwrap import device_of, modules_by_name, unwrapped
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.recording import Recorded, Recording, open_recording
from stripe.registry import listed
from stripe.stats import channel_moments

#: A recording or its directory, the table of `stripe.stats.channel_moments`, or vectors by gate.
Means = Recorded | pd.DataFrame | Mapping[str, Sequence[float] | np.ndarray | Tensor]

#: The layers to scale for each gate that folds, by its name.
Scalings = Mapping[str, Sequence[Scaling]]

#: From the gates to fold to the folded network, and its difference from the constant one.
Folding = Callable[[Scalings], tuple[nn.Module, float]]


def freeze(
    model: nn.Module,
    data: Means,
    *,
    gates: Choice = "all",
    fold: bool = True,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
) -> nn.Module:
    """Replace gates by their mean over images, and fold each constant into a layer beside it.

    `x v(x)` becomes `x v` with `v = mean v(x)`, and v is multiplied into the norm, convolution or
    linear layer before it (past ReLU, where v >= 0), or into the input channels of the layers after
    it where they are all that reads the product. Where a module does nothing but gate, it goes as a
    whole, with the squeeze that computed the gate; of another one, the module that puts the gate
    out is replaced. What cannot fold stays a constant scale.

    Parameters
    ----------
    model
        Any network; it is left as it was.
    data
        Where the means come from: a recording of this network or its directory, the table that
        `stripe.stats.channel_moments` made of one, or a vector for each gate, by name.
    gates
        Which gates: "all", names, a pattern such as "layer3.*", or a predicate of `Gate`.
    fold
        Whether constants fold, or all stay constant scales.
    epoch
        Of a recording or its moments; by default the last.
    example
        A batch of images, (B, C, H, W), of the size that the model is used with; by default of the
        size that was recorded, or a usual one.
    force
        Take the means even if they were recorded from other weights than the model has.

    Returns
    -------
    nn.Module
        A copy without the chosen gates, its modules in the modes of the model's. Its attribute
        `fold_report` is a DataFrame: gate, frozen, folded, into (names of layers), reason (why it
        did not fold, or could not be frozen). `fold_error` is the largest difference, on random
        images, between the outputs of the folded and of the constant network, relative to the
        largest output.

    Raises
    ------
    UnknownNameError
        If a gate is not in the model, or the data does not have it.
    ModelError
        If a mean does not have the gate's number of channels, or is not finite; if the means were
        recorded from other weights (without `force`); or if folding changes the output by more than
        rounding.

    Notes
    -----
    How far the frozen network is from the one with attention is a question of the images, and
    `stripe.audit` measures it; `fold_error` only says that folding was exact, and says little of a
    network whose residual branches start at zero, as many untrained ones do. A gate that no module
    puts out, in a module that does more than gate, stays as it was: the report says so.
    """
    model = unwrapped(model)
    if not force:
        check_fingerprint(model, data, epoch)
    means, shape = _means(data, epoch)
    watched = _watched(model, example, shape)
    able, unable = _freezable(watched, means, gates)
    vectors = {place.gate.name: _vector(place, means) for place in able}

    constant = _constant(copy.deepcopy(model), watched, able, vectors)
    flow = Flow(watched, able, modules_by_name(model))
    scalings, reasons = _plan(flow, vectors) if fold else ({}, {})
    build = partial(_folded, model, constant, flow, vectors)
    folded, error = build(scalings)
    if error > rounding_bound(model):
        reasons |= _misfits(build, scalings, rounding_bound(model))
        scalings = {name: plan for name, plan in scalings.items() if name not in reasons}
        folded, error = build(scalings)
    check_difference(folded, error)
    reasons |= {place.gate.name: _not_frozen(place) for place in unable}
    vars(folded)["fold_error"] = error
    vars(folded)["fold_report"] = _report(able, unable, scalings, reasons)
    return folded


def _folded(
    model: nn.Module,
    constant: nn.Module,
    flow: Flow,
    vectors: Mapping[str, Vector],
    scalings: Scalings,
) -> tuple[nn.Module, float]:
    """Return a copy with the gates folded, and its difference from the constant network."""
    folded = copy.deepcopy(model)
    on_copy = replace(flow, modules=modules_by_name(folded))
    for scaling in chain.from_iterable(scalings.values()):
        on_copy.scale(scaling)
    folded = _without(folded, on_copy, vectors, scalings)
    sample = _zeros(model, flow.trace.input_shape)
    exact = torch.autocast(sample.device.type, enabled=False)  # its rounding is not the folding's
    with (
        interrupts_held(),
        undisturbed(constant),
        undisturbed(folded),
        exact,
        torch.compiler.set_stance("force_eager"),
        interrupts_allowed(),
    ):
        return folded, largest_difference(constant, folded, sample)


def _misfits(fold: Folding, scalings: Scalings, bound: float) -> dict[str, str]:
    """Return the gates that change the output when they are folded alone, with the reason."""
    reasons = {}
    for name, plan in scalings.items():
        _, error = fold({name: plan})
        if error > bound:
            into = ", ".join(scaling.module for scaling in plan)
            reasons[name] = f"folding it into {into} changes the output by {error:.1g}"
    return reasons


def _not_frozen(place: Place) -> str:
    where = place.gate.owner or "the model"
    return (
        f"it is computed by functions inside {where}, which does more than gate, and looks at the "
        "image as before; compute it in a module of its own to freeze it"
    )


def _means(data: Means, epoch: int | None) -> tuple[dict[str, np.ndarray], tuple[int, ...] | None]:
    """Return mean vectors by gate, and the shape of the images they come from where it is known."""
    if isinstance(data, Recording | str | Path):
        recording = open_recording(data)
        data = channel_moments(recording, [recording.last_epoch if epoch is None else epoch])
    if not isinstance(data, pd.DataFrame):
        return {name: np.asarray(vector, dtype=np.float64) for name, vector in data.items()}, None
    shape = data.attrs.get("input_shape")
    frame = data
    if "epoch" in data:
        data = data[data["epoch"] == (data["epoch"].max() if epoch is None else epoch)]
    if "epoch" in frame and not len(data):
        raise RecordingError(
            f"the moments hold no epoch {epoch}; they hold {sorted(set(frame['epoch']))}"
        )
    by_gate = data.sort_values("channel").groupby("gate", sort=False)["mean"]
    return {str(name): means.to_numpy() for name, means in by_gate}, shape and tuple(shape)


def _watched(model: nn.Module, example: Tensor | None, shape: tuple[int, ...] | None) -> Trace:
    if example is not None:
        return trace(model, checked_example(example))
    native = getattr(model, "pretrained_cfg", {}).get("input_size")  # timm's networks say so
    usual = sorted(likely_shapes(model), key=lambda size: size[-1] != 224)
    sizes = [shape] if shape else [native] if native else usual
    last: Exception | None = None
    for size in sizes:
        try:
            return trace(model, _zeros(model, (2, *size)))
        except Exception as error:
            last = error
    if shape and last is not None:
        raise last
    raise ModelError("no size of image was found that the model takes; give example=") from last


def _zeros(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Return images of zeros in the number format of the model, on its device."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    return torch.zeros(shape, dtype=weight.dtype, device=device_of(model))


def _freezable(
    watched: Trace, means: Mapping[str, np.ndarray], gates: Choice
) -> tuple[list[Place], list[Place]]:
    """Return the chosen places, first those that can be frozen, then those that cannot."""
    found = [place for place in places(watched) if place.gate.kind in DEFAULT_KINDS]
    known = [place.gate for place in found if place.gate.name in means]
    if not found:
        raise ModelError("no gates were found in the model, so there is nothing to freeze")
    if not known:
        names = listed([place.gate.name for place in found]) or "none"
        raise UnknownNameError(
            f"the data must have means of the model's gates, {names}, and has those of: "
            f"{listed(list(means)) or 'none'}"
        )
    chosen = {gate.name for gate in chosen_gates(known, gates)}
    mine = [place for place in found if place.gate.name in chosen]
    able = [p for p in mine if p.hook or Flow(watched, [p], {}).does_nothing_else(p)]
    return able, [place for place in mine if place not in able]


def _vector(place: Place, means: Mapping[str, np.ndarray]) -> Vector:
    name, channels = place.gate.name, place.gate.channels
    vector = np.array(means[name], dtype=np.float64)
    if vector.shape != (channels,) or not np.isfinite(vector).all():
        raise ModelError(
            f"the mean of {name!r} must be {channels} finite numbers, got shape {vector.shape}"
            f"{'' if np.isfinite(vector).all() else ' with some that are not finite'}"
        )
    return vector


def _constant(
    model: nn.Module, watched: Trace, frozen: Sequence[Place], vectors: Mapping[str, Vector]
) -> nn.Module:
    """Put constants where the gates come from, in place; nothing is folded."""
    modules = modules_by_name(model)
    for place in frozen:
        v = torch.from_numpy(vectors[place.gate.name])
        if place.hook is not None:
            new: nn.Module = ConstantGate(_form(watched, _output_of(watched, place.hook), v))
            model = _replace(model, modules[place.hook], new)
        else:
            new = ConstantScale(_form(watched, place.operand, v))
            model = _replace(model, modules[place.gate.owner], new)
    return model


def _without(
    model: nn.Module, flow: Flow, vectors: Mapping[str, Vector], folded: Container[str]
) -> nn.Module:
    """Take the gates out, in place, with the squeeze that computed them; leave what is not folded.

    An owner that did nothing but gate goes as a whole. Of another one, only the module that put the
    gate out is replaced, by ones if the gate was folded.
    """
    modules = modules_by_name(model)
    for place in flow.frozen:
        name = place.gate.name
        owner, v = modules[place.gate.owner], torch.from_numpy(vectors[name])
        if isinstance(owner, Gated) and name in folded:
            model = _replace(model, owner, owner.host)
        elif flow.does_nothing_else(place):
            scale = ConstantScale(_form(flow.trace, place.operand, v))
            model = _replace(model, owner, PassOn() if name in folded else scale)
        else:
            assert place.hook is not None
            form = _form(flow.trace, _output_of(flow.trace, place.hook), v)
            new = ConstantGate(torch.ones_like(form) if name in folded else form)
            model = _replace(model, modules[place.hook], new)
    return model


def _output_of(watched: Trace, hook: str) -> int:
    return next(call.outputs[0] for call in watched.calls if call.module == hook)


def _form(watched: Trace, node: int, v: Tensor) -> Tensor:
    """Give v the shape that a node has for one image."""
    return v.reshape(1, *watched.nodes[node].compact[1:])


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> nn.Module:
    """Put `new` wherever `old` is registered, on its device and in its mode."""
    if isinstance(new, ConstantGate | ConstantScale):
        tensor = next(chain(old.parameters(), model.parameters()), torch.empty(0))
        new.to(device=tensor.device, dtype=tensor.dtype)
    new.training = old.training
    for parent in model.modules():
        for name, child in list(parent._modules.items()):
            if child is not None and (child is old or getattr(child, "_orig_mod", None) is old):
                setattr(parent, name, new)  # with its wrapper, if it was compiled
    return new if model is old else model


def _plan(
    flow: Flow, vectors: Mapping[str, Vector]
) -> tuple[dict[str, list[Scaling]], dict[str, str]]:
    """Return which layers each gate folds into, and why the others do not."""
    scalings, reasons = {}, {}
    for place in flow.frozen:
        name = place.gate.name
        try:
            scalings[name] = flow.scalings(place, vectors[name])
        except CannotFoldError as reason:
            reasons[name] = str(reason)
    return scalings, reasons


def _after_folding(place: Place, scaling: Scaling) -> str:
    """Return a scaled layer's name in the folded network, where `Gated` gave way to its host."""
    owner = place.gate.owner
    if place.gate.owner_class != Gated.__name__ or scaling.module != f"{owner}.host".lstrip("."):
        return scaling.module
    return owner


def _report(
    able: Sequence[Place],
    unable: Sequence[Place],
    scalings: Mapping[str, Sequence[Scaling]],
    reasons: Mapping[str, str],
) -> pd.DataFrame:
    rows = [
        {
            "gate": place.gate.name,
            "frozen": place in able,
            "folded": place.gate.name in scalings,
            "into": ", ".join(_after_folding(place, s) for s in scalings.get(place.gate.name, [])),
            "reason": reasons.get(place.gate.name, ""),
        }
        for place in [*able, *unable]
    ]
    return pd.DataFrame(rows, columns=["gate", "frozen", "folded", "into", "reason"])
