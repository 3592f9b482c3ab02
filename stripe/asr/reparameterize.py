"""Fold every ASR into its host and return the plain network."""

import copy
from typing import TypeGuard

from torch import Tensor, nn

from stripe.asr.asr import ASR
from stripe.asr.channels import ungated
from stripe.asr.difference import check_difference, largest_difference
from stripe.asr.gated import Gated
from stripe.asr.scale_layer import passes_on, scale_output, scale_passage
from stripe.errors import ModelError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules import undisturbed
from stripe.typed import typed
from stripe.warn import warn


@typed
def reparameterize(
    model: nn.Module, *, inplace: bool = False, example: Tensor | None = None
) -> nn.Module:
    """Fold the constant gate of every ASR into the layer whose output the gate multiplies.

    Parameters
    ----------
    model
        A trained network, in training or evaluation mode. The gates are folded at their values in
        evaluation mode.
    inplace
        Change `model` itself instead of a copy. If `model` itself is a `Gated` with an ASR, the
        layer that it wraps (its host) is returned, with or without `inplace`.
    example
        A batch of images, (B, C, H, W). The outputs are compared on random images of this shape.
        Default: two images of the size that the network declares (`img_size`), or else of the
        first size, from 32 to 384 pixels, that the network accepts.

    Returns
    -------
    nn.Module
        The network without ASR, with the `state_dict` keys that it had before `insert`. If the gate
        is folded into a norm without learnable parameters, the norm gains a weight and, except for
        an RMS norm, a bias. Input-dependent attention stays. Each module keeps its mode. For a
        network without ASR, an unchanged copy is returned, or with `inplace` the network itself.

    Raises
    ------
    ModelError
        If a layer cannot absorb its gate (the message names the layer), or the outputs before and
        after folding differ by more than rounding errors. `model` is then unchanged.

    Warns
    -----
    UserWarning
        If the network has no ASR, or if the outputs could not be compared, because the network
        accepts none of the sizes or its outputs contain no finite floating-point number.

    Notes
    -----
    `stripe.asr.largest_difference(model, plain, example)` measures the difference between the
    outputs.

    References
    ----------
    Section 3, "Inference phase", equations 5 to 7; Appendix B.

    Examples
    --------
    >>> model = stripe.build("resnet20", asr="se", num_classes=10)
    >>> plain = stripe.reparameterize(model)
    >>> plain.state_dict().keys() == stripe.build("resnet20", num_classes=10).state_dict().keys()
    True
    """
    if not any(_is_asr(module) for module in model.modules()):
        warn(
            "the network has no ASR to fold; stripe.freeze replaces the gates of input-dependent "
            "attention by constants"
        )
    folded = _folded(copy.deepcopy(model))
    check_difference(model, largest_difference(model, folded, example))
    return _folded(model) if inplace else folded


def _is_asr(module: nn.Module) -> TypeGuard[Gated]:
    return isinstance(module, Gated) and isinstance(module.gate, ASR)


def _folded(model: nn.Module) -> nn.Module:
    gated = {name: m for name, m in model.named_modules() if _is_asr(m)}
    _check_unshared(model, gated)
    with interrupts_held(), undisturbed(model), interrupts_allowed():
        # All values first, in forward order: a DIA cell passes its state from block to block.
        values = {name: _value(module).flatten() for name, module in gated.items()}
    for name in sorted(gated, key=lambda name: -name.count(".")):  # the innermost first
        model = _fold(model, name, values[name])
    return model


def _value(gated: Gated) -> Tensor:
    assert isinstance(gated.gate, ASR)
    return gated.gate.value()


def _fold(model: nn.Module, name: str, v: Tensor) -> nn.Module:
    host = model.get_submodule(f"{name}.host" if name else "host")
    try:
        if isinstance(host, Gated):
            raise ModelError("an ASR around attention does not fold; insert puts it inside")
        parent, child = _parent(model, name)
        if parent is not None and passes_on(parent):
            scale_passage(parent, child, v)
        else:
            scale_output(host, v)
    except ModelError as error:
        raise ModelError(f"cannot fold the ASR at {name!r}: {error}") from None
    if not name:
        return host
    model.set_submodule(name, host)
    return model


def _parent(model: nn.Module, name: str) -> tuple[nn.Module | None, str]:
    """Return the module that calls the layer at `name`, outside all gates, and the child's name."""
    parent, _, child = name.rpartition(".")
    while isinstance(model.get_submodule(parent), Gated) and parent:
        parent, _, child = parent.rpartition(".")
    return (model.get_submodule(parent), child) if name else (None, "")


def _check_unshared(model: nn.Module, gated: dict[str, Gated]) -> None:
    """Refuse hosts that share parameters with another layer, which would be scaled too."""
    places: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        places.setdefault(id(parameter), []).append(name)
    for name, module in gated.items():
        for parameter in ungated(module).parameters():
            if len(found := places[id(parameter)]) > 1:
                raise ModelError(
                    f"the layer at {name!r} is used in {len(found)} places of the model "
                    f"({', '.join(found[:2])}) and cannot be folded in one; give each its own"
                )
