"""The backbones by name."""

from collections.abc import Callable

from torch import nn

from stripe.registry import Registry

#: Builders by name: `builder(num_classes=, in_channels=) -> nn.Module`.
BACKBONES: Registry[Callable[..., nn.Module]] = Registry("stripe.backbones", "backbone")


def list_backbones() -> list[str]:
    """Return the names that `stripe.build` takes, sorted; it also builds other depths.

    Examples
    --------
    >>> "resnet164" in stripe.list_backbones()
    True
    """
    return BACKBONES.names()
