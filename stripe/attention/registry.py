"""The attention modules by name; `@ATTENTIONS.register("name")` adds a class."""

from collections.abc import Callable

from torch import nn

from stripe.registry import Registry

#: Builders by name: `builder(channels, activation=) -> nn.Module`.
ATTENTIONS: Registry[Callable[..., nn.Module]] = Registry("stripe.attention", "attention module")


def list_attentions() -> list[str]:
    """Return the sorted names of the attention modules, for `attention=` and `asr=`.

    Examples
    --------
    >>> "se" in stripe.list_attentions()
    True
    """
    return ATTENTIONS.names()
