"""Fold every ASR into its host and return the plain network."""

import copy

import torch
from torch import Tensor, nn

from stripe.asr.asr import ASR
from stripe.asr.channels import ungated
from stripe.asr.folding import passes_on, scale_output, scale_passage
from stripe.asr.gated import Gated
from stripe.errors import ModelError

#: Sizes of square images to try where no example says what the network takes.
_SIDES = (32, 64, 224, 384)


def reparameterize(
    model: nn.Module, *, inplace: bool = False, example: Tensor | None = None
) -> nn.Module:
    """Fold the constant gate of every ASR into the layer that it multiplies.

    Parameters
    ----------
    model
        A trained network, in evaluation mode.
    inplace
        Change `model` itself; by default a copy is changed. A `Gated` that is itself the model is
        replaced by its host in either case.
    example
        An input, (B, C, H, W): random input of its form measures the error. By default small
        images of several sizes are tried.

    Returns
    -------
    nn.Module
        The network without ASR, with the `state_dict` keys that it had before `insert`; attention
        that looks at its input stays. Its attribute `fold_error` is the largest difference
        between the outputs before and after on random input, relative to the largest output; nan
        where the network takes no images or puts out no tensor. A network without ASR comes back
        as it is.

    Raises
    ------
    ModelError
        If the model is in training mode, or a host cannot take the scale; the message names it,
        and `model` is unchanged.

    References
    ----------
    Section 3, "Inference phase", equations 5 to 7; Appendix B.
    """
    if model.training:
        raise ModelError("reparameterize needs a model in evaluation mode; call model.eval() first")
    folded = _folded(copy.deepcopy(model))
    error = _largest_difference(model, folded, example)
    if inplace:
        folded = _folded(model)
    vars(folded)["fold_error"] = error
    return folded


def _folded(model: nn.Module) -> nn.Module:
    gated = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, Gated) and isinstance(module.gate, ASR)
    }
    _check_unshared(model, gated)
    with torch.no_grad():
        # All values first, in forward order: a DIA cell hands its state from block to block.
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
    """Return the module that calls the layer at `name`, past all gates, and its name there."""
    parent, _, child = name.rpartition(".")
    while isinstance(model.get_submodule(parent), Gated) and parent:
        parent, _, child = parent.rpartition(".")
    return (model.get_submodule(parent), child) if name else (None, "")


def _check_unshared(model: nn.Module, gated: dict[str, Gated]) -> None:
    places: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        places.setdefault(id(module), []).append(name)
    for name, module in gated.items():
        if len(places[id(ungated(module))]) > 1:
            raise ModelError(
                f"the layer at {name!r} is used in {len(places[id(ungated(module))])} places of "
                "the model and cannot be folded in one; give each place a layer of its own"
            )


def _largest_difference(before: nn.Module, after: nn.Module, example: Tensor | None) -> float:
    for image in _random_images(before, example):
        try:
            with torch.no_grad():
                expected, came = before(image), after(image)
        except Exception:
            if example is not None:
                raise
            continue
        if isinstance(expected, Tensor):
            difference = (expected - came).abs().max() / expected.abs().max().clamp_min(1e-30)
            return float(difference)
    return float("nan")


def _random_images(model: nn.Module, example: Tensor | None) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    if example is not None:
        return [torch.randn(example.shape, generator=generator).to(example)]
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    if not convolutions:
        return []
    weight, channels = convolutions[0].weight, convolutions[0].in_channels
    shapes = [(2, channels, side, side) for side in _SIDES]
    return [torch.randn(shape, generator=generator).to(weight) for shape in shapes]
