"""Replace gates by their means over images, and fold the constants into layers."""

from dataclasses import replace

from torch import Tensor, nn
from torch.export import ExportedProgram

from stripe.errors import ModelError
from stripe.gates.freezing.frozen import Frozen
from stripe.gates.freezing.means import Means
from stripe.gates.freezing.plan import plan
from stripe.modules.unwrap import unwrapped
from stripe.select import Selection
from stripe.typed import typed


@typed
def freeze_at(
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
    """Replace gates by their means over images, and fold each constant into an adjacent layer.

    `x v(x)` becomes `x v`, where v is the mean of v(x). The constant v is multiplied into the norm,
    convolution or linear layer before the product. A ReLU may lie between that layer and the
    product if no element of v is negative. Alternatively, v is multiplied into the input channels
    of the layers after the product, if no other operation reads the product. A residual gate,
    `x + x v`, folds as 1 + v. A constant that cannot fold remains a scale in the network.

    If the gate folds, a `stripe.Gated` is replaced by its host. A module that only computes and
    applies a gate is replaced by an identity or a scale. In any other module, a submodule that
    outputs the gate is replaced by a constant. A graph of `torch.fx` or `torch.export` is rewritten
    without the operations that only computed the gate. A module that computes its gate with
    functions becomes a subclass of its class, with the same weights and names, and a buffer
    `frozen_gate_N` replaces the gate. The module still computes the unused gate, but
    `torch.compile` and `torch.export` remove this computation.

    Parameters
    ----------
    model
        Any network, or a `torch.export.ExportedProgram`. It is not changed unless `inplace`.
    data
        Source of the means: a recording of this network or its directory, its table from
        `stripe.stats.channel_moments`, or a mapping from names of gates to vectors (C,).
    gates
        Gates to freeze: "all", names, a pattern such as "layer3.*", or a predicate of `Gate`. Gates
        without a mean in `data` are not among "all".
    fold
        Whether to fold constants into layers. If False, all constants remain scales.
    epoch
        Epoch of the recording or of its moments. Default: the last.
    example
        A batch of images, (B, C, H, W), of the size that the model is used for. Default: images of
        the recorded size or, if it is unknown, of a usual size.
    force
        Use the means even if they were recorded with other weights.
    inplace
        Change `model` itself instead of a copy. Its parameters are then new tensors.

    Returns
    -------
    Frozen
        `model`, a copy (with `inplace`, the model itself) in which the chosen gates that can be
        frozen are constants; `report`, with a row for each chosen gate; and `error`, the difference
        between the outputs with folded and with unfolded constants.

    Raises
    ------
    UnknownNameError
        If a gate is not in the model or not in the data.
    ModelError
        In one of these cases:

        - the number of channels of a mean differs from that of its gate, or a mean is not finite or
          not numeric;
        - a table lacks the column gate, channel or mean;
        - the means were recorded with other weights (without `force`);
        - the model has no gates, or `data` has means only of gates of the kinds "response" and
          "spatial", which cannot be frozen;
        - the model cannot be traced or copied, or is on the meta device;
        - `inplace` is set, and `model` is an exported program;
        - folding changes the output by more than rounding.
    RecordingError
        If `data` does not hold the epoch, or is not a recording that can be read.

    Notes
    -----
    `error` only shows whether folding was exact. It says little about a network whose residual
    branches output zero, as in many untrained networks. How much the frozen network differs from
    the network with attention depends on the images; `stripe.audit` measures this difference. Some
    gates cannot be frozen, for example if functions compute the gate in a module that is called
    several times, or if other operations than products also read it. The report gives the reason
    for each of them. Each fold is also checked at the tensors next to the gate.

    Examples
    --------
    >>> recording = stripe.record(model, loader, "runs/a", progress=False)
    >>> frozen = stripe.gates.freeze_at(model, recording, gates="layer3.*")
    >>> frozen.report[["gate", "folded", "into"]]
                    gate  folded            into
    0  layer3.0.bn2.gate    True  layer3.0.bn2
    >>> scores = frozen.model(images)
    """
    check_in_place(model, inplace)
    frozen = plan(model, data, epoch=epoch, example=example, force=force).freeze(gates, fold=fold)
    return in_place(model, frozen) if inplace else frozen


def check_in_place(model: nn.Module | ExportedProgram, inplace: bool) -> None:
    """Raise a `ModelError` if a model cannot be changed in place."""
    if inplace and not isinstance(model, nn.Module):
        raise ModelError("an exported program is not changed in place; leave inplace out")


def in_place(model: nn.Module | ExportedProgram, frozen: Frozen) -> Frozen:
    """Make a model itself the frozen network, and return `frozen` with this model."""
    assert isinstance(model, nn.Module)
    _become(unwrapped(model), frozen.model)
    return replace(frozen, model=model)


def _become(model: nn.Module, other: nn.Module) -> None:
    """Make a module what another one is: the same class, children, parameters and hooks."""
    model.__class__ = other.__class__
    model.__dict__ = other.__dict__
