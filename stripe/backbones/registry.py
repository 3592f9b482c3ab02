"""The backbones by name, and the decorator that adds one."""

from collections.abc import Callable

from torch import nn

from stripe.registry import Registry

#: Builders by name: `builder(num_classes=, in_channels=, image_size=) -> nn.Module`. image_size is
#: passed only if it is given to `stripe.build`.
BACKBONES: Registry[Callable[..., nn.Module]] = Registry("stripe.backbones", "backbone")


def list_backbones() -> list[str]:
    """Return the sorted names of the networks that `stripe.build` knows.

    `stripe.build` also builds other depths of these networks, such as "resnet29".

    Examples
    --------
    >>> "resnet164" in stripe.list_backbones()
    True
    """
    return BACKBONES.names()
