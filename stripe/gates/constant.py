"""The modules that replace a frozen gate."""

from typing import Any

from torch import Tensor, nn

from stripe.modules.tensors import tensors_in


class ConstantGate(nn.Module):
    """Output the same gate for every image of the first input.

    Parameters
    ----------
    value
        The gate of one image, shape (1, ...), as the replaced module gave it.
    """

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the gate, in the number format and on the device of the first tensor."""
        images = next(iter(tensors_in((args, kwargs))), None)
        if images is None:
            return self.value
        return self.value.to(images).expand(len(images), *self.value.shape[1:])


class ConstantScale(nn.Module):
    """Multiply features by the same gate for every image.

    Parameters
    ----------
    value
        Broadcasts to the features, such as (1, C, 1, 1).
    """

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self, features: Tensor, *args: object, **kwargs: object) -> Tensor:
        """Return the features times the constant; other inputs of the gate are ignored."""
        return features * self.value.to(features)


class PassOn(nn.Identity):
    """Return the features as they are: what is left of a gate that was folded."""

    def forward(self, input: Tensor, *args: object, **kwargs: object) -> Tensor:
        """Return the features; other inputs of the gate are ignored."""
        return input
