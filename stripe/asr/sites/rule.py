"""The rules by family, and the choice of the rule for a model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from stripe.errors import ModelError
from stripe.registry import Registry, listed


@dataclass(frozen=True, kw_only=True)
class FamilyDefaults:
    """The layers of a model to gate, and the initial values of an ASR in these layers.

    Parameters
    ----------
    sites
        Names of the layers to gate, in forward order.
    activation
        The last non-linearity of the gate.
    psi
        Initial value of psi.
    weight
        Initial value of the parameters of an ASR's attention module: of all parameters, or only of
        the biases, depending on `init` of `stripe.insert`. None keeps the module's own initial
        values.
    """

    sites: tuple[str, ...]
    activation: Literal["sigmoid", "tanh"] = "sigmoid"
    psi: float = 0.1
    weight: float | None = None


#: Rules by family: `rule(model) -> FamilyDefaults`, without sites in a model of another family.
RULES: Registry[Callable[[nn.Module], FamilyDefaults]] = Registry("stripe.asr.sites", "family")


def family_defaults(model: nn.Module) -> FamilyDefaults:
    """Return the defaults for the model's family, without sites if the family is unknown."""
    of_families = (RULES[family](model) for family in RULES.names())
    return next((defaults for defaults in of_families if defaults.sites), FamilyDefaults(sites=()))


def insert_defaults(model: nn.Module) -> FamilyDefaults:
    """Return the defaults for the family of the model.

    Raises
    ------
    ModelError
        If the family of the model is unknown. The message lists layers that can be gated.

    References
    ----------
    Appendix C, "Application details", Figures 6 to 10.
    """
    defaults = family_defaults(model)
    if defaults.sites:
        return defaults
    raise ModelError(
        f"no rule says where attention goes in a {type(model).__name__}; name the layers with "
        f"sites=[...], or a pattern; candidates: {listed(_candidates(model), 12)}"
    )


def named(
    model: nn.Module, classes: Mapping[type[nn.Module], str | Sequence[str]]
) -> FamilyDefaults:
    """Return defaults at the children `classes[C]` of each module of class C."""
    sites = tuple(
        f"{name}.{child}".lstrip(".")
        for name, module in model.named_modules()
        for block, children in classes.items()
        if type(module) is block
        for child in ([children] if isinstance(children, str) else children)
    )
    return FamilyDefaults(sites=sites)


def _candidates(model: nn.Module) -> list[str]:
    """Return layers that can be gated: norms, or convolutions and linear layers without norms."""
    norms = nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm
    layers = nn.modules.conv._ConvNd | nn.Linear
    for kind in (norms, layers):
        found = [
            # A norm with its own activation is gated before the activation.
            f"{name}.drop" if isinstance(getattr(module, "drop", None), nn.Module) else name
            for name, module in model.named_modules()
            if isinstance(module, kind) and name
        ]
        if found:
            return found
    return ["none: it has no norm, convolution or linear layer"]
