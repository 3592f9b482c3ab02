"""Replace gates by their means over images, and fold the constants into layers."""

from dataclasses import replace

from torch import Tensor, nn
from torch.export import ExportedProgram

from stripe.errors import ModelError
from stripe.gates.frozen import Frozen
from stripe.gates.means import Means
from stripe.gates.plan import plan
from stripe.modules.unwrap import unwrapped
from stripe.select import Selection


def freeze(
    model: nn.Module | ExportedProgram,
    data: Means,
    *,
    gates: Selection = "all",
    fold: bool = True,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
    inplace: bool = False,
) -> Frozen:
    """Replace gates by their mean over images, and fold each constant into a layer beside it.

    `x v(x)` becomes `x v` with `v = mean v(x)`. The constant v is multiplied into the norm,
    convolution or linear layer before it (past a ReLU, where v >= 0), or into the input channels of
    the layers after it, if only they read the product. A residual gate, x + x v, folds as 1 + v. A
    constant that cannot fold stays a scale in the network.

    A module that only applies a gate is removed, together with the squeeze that computed the gate.
    In other modules, the submodule that outputs the gate is replaced. A graph of `torch.fx` or
    `torch.export` is rewritten without the squeeze. A module that computes its gate functionally
    keeps its class, weights and names, and gets a buffer `frozen_gate_N` instead of the gate. It
    still computes the squeeze, but `torch.compile` and `torch.export` remove this unused part.

    Parameters
    ----------
    model
        Any network, or a `torch.export.ExportedProgram`. It is not changed.
    data
        Source of the means: a recording of this network or its directory, the table that
        `stripe.stats.channel_moments` made of one, or a vector for each gate, by name.
    gates
        Gates to freeze: "all", names, a pattern such as "layer3.*", or a predicate of `Gate`.
    fold
        Whether to fold constants into layers. If False, all stay scales.
    epoch
        Epoch of a recording or its moments. Default: the last.
    example
        A batch of images, (B, C, H, W), of the size that the model is used with. Default: images of
        the recorded size, or of a usual size.
    force
        Use the means even if they were recorded from other weights.
    inplace
        Change `model` itself into the frozen network. Its parameters are new tensors afterwards.

    Returns
    -------
    Frozen
        `model`, a copy without the chosen gates; `report`, a row for each gate; and `error`, the
        difference that folding made in the outputs.

    Raises
    ------
    UnknownNameError
        If a gate is not in the model, or the data does not have it.
    ModelError
        If a mean does not have the gate's number of channels, or is not finite; if the means were
        recorded from other weights (without `force`); if the model cannot be traced or copied, or
        has no values (on the meta device); or if folding changes the output by more than rounding.

    Notes
    -----
    `error` only says whether folding was exact. It says little about a network whose residual
    branches start at zero, as many untrained networks do. The difference between the frozen network
    and the one with attention depends on the images; `stripe.audit` measures it. Some gates cannot
    be frozen, because other operations also read a functionally computed gate, or because the
    module that computes the gate is called several times. The report names them. Every fold is also
    checked at the tensors beside the gate.

    Examples
    --------
    >>> recording = stripe.record(model, loader, "runs/a", progress=False)
    >>> frozen = stripe.gates.freeze(model, recording, gates="layer3.*")
    >>> frozen.report[["gate", "folded", "into"]]
                    gate  folded            into
    0  layer3.0.bn2.gate    True  layer3.0.bn2
    >>> scores = frozen.model(images)
    """
    if inplace and not isinstance(model, nn.Module):
        raise ModelError("an exported program is not changed in place; leave inplace out")
    frozen = plan(model, data, epoch=epoch, example=example, force=force).freeze(gates, fold=fold)
    return in_place(model, frozen) if inplace else frozen


def in_place(model: nn.Module | ExportedProgram, frozen: Frozen) -> Frozen:
    """Make a model itself the frozen network, and return `frozen` with this model."""
    assert isinstance(model, nn.Module)
    _become(unwrapped(model), frozen.model)
    return replace(frozen, model=model)


def _become(model: nn.Module, other: nn.Module) -> None:
    """Make a module what another one is: the same class, children, parameters and hooks."""
    model.__class__ = other.__class__
    model.__dict__ = other.__dict__
