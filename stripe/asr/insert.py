"""Put attention into a model."""

from collections.abc import Callable, Sequence

from torch import nn

from stripe.asr.channels import channels_of
from stripe.asr.gated import Gated
from stripe.asr.sites import default_sites
from stripe.attention import ATTENTIONS
from stripe.errors import UnknownNameError
from stripe.registry import listed

#: A registered name, or any callable from a number of channels to a module.
Attention = str | Callable[[int], nn.Module]


def insert(
    model: nn.Module, *, attention: Attention, sites: Sequence[str] | None = None
) -> nn.Module:
    """Wrap layers of `model`, in place, so that a gate multiplies what they put out.

    Parameters
    ----------
    model
        Any network; it is changed and returned.
    attention
        A name from `stripe.list_attentions()`, or a callable from a number of channels to a
        module that maps (B, C, H, W) to (B, C, 1, 1).
    sites
        Names of the layers to gate, as in `model.named_modules()`; by default the rule of the
        model's family.

    Returns
    -------
    nn.Module
        `model`, its layer `name` now a `Gated` with children `name.host` and `name.gate`.

    Raises
    ------
    UnknownNameError
        If the attention module or a site does not exist.
    ModelError
        If a site has no channels, or no rule covers the model.

    References
    ----------
    Figure 1 and Appendix C of the ASR paper.
    """
    build = ATTENTIONS[attention] if isinstance(attention, str) else attention
    modules = dict(model.named_modules())
    names = default_sites(model) if sites is None else list(sites)
    if missing := [name for name in names if name not in modules or not name]:
        raise UnknownNameError(
            f"the model has no layer {missing[0]!r}; it has: {listed(list(modules)[1:])}"
        )
    for name in names:
        host = modules[name]
        model.set_submodule(name, Gated(host, build(channels_of(host, name))))
    return model
