"""What stands where a gate was frozen."""

from torch import Tensor, nn


class ConstantGate(nn.Module):
    """Put out the same gate whatever comes in, once for every image of what comes in first.

    Parameters
    ----------
    value
        The gate of one image, shape (1, ...), as the module gave it that stood here.
    """

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self, *args: Tensor) -> Tensor:
        """Return the gate, in the number format of the first argument."""
        if not args:
            return self.value
        images = args[0]
        return self.value.to(images.dtype).expand(len(images), *self.value.shape[1:])


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

    def forward(self, features: Tensor, *args: object) -> Tensor:
        """Return the features times the gate."""
        return features * self.value.to(features.dtype)
