"""The rules by family, and the one that holds for a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from stripe.errors import ModelError
from stripe.registry import Registry, listed


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where attention goes in a model, and how ASR begins there.

    Parameters
    ----------
    sites
        Names of the layers to gate, in forward order.
    activation
        The last non-linearity of the gate.
    psi
        What psi is filled with.
    weight
        What every parameter of an ASR's attention module is filled with; None leaves them as the
        module drew them.
    """

    sites: tuple[str, ...]
    activation: Literal["sigmoid", "tanh"] = "sigmoid"
    psi: float = 0.1
    weight: float | None = None


#: From a family to a rule `rule(model) -> Placement`, with no sites in a model of another family.
RULES: Registry[Callable[[nn.Module], Placement]] = Registry("stripe.asr.sites", "family")


def default_placement(model: nn.Module) -> Placement:
    """Return the placement that the rule of the model's family gives.

    Raises
    ------
    ModelError
        If no rule knows the model; the message lists layers that can be gated.

    References
    ----------
    Appendix C, "Application details", Figures 6 to 10.
    """
    for family in RULES.names():
        placement: Placement = RULES[family](model)
        if placement.sites:
            return placement
    norms = [name for name, module in model.named_modules() if _is_norm(module) and name]
    candidates = f"candidates: {listed(norms, 12)}" if norms else "it has no norms"
    raise ModelError(
        f"no rule says where attention goes in a {type(model).__name__}; name the layers with "
        f"sites=[...], or a pattern; {candidates}"
    )


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm)


def named(model: nn.Module, classes: dict[type[nn.Module], str]) -> Placement:
    """Return a placement at child `classes[C]` of every module of class C."""
    sites = tuple(
        f"{name}.{child}".lstrip(".")
        for name, module in model.named_modules()
        for block, child in classes.items()
        if type(module) is block
    )
    return Placement(sites=sites)
