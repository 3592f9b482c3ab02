"""The modules that replace a frozen gate."""

from typing import Any

from torch import Tensor, nn

from stripe.modules.tensors import tensors_in


class ConstantGate(nn.Module):
    """Output the same gate for every image of an input.

    Parameters
    ----------
    value
        The gate of one image, shape (1, ...), in the form of the replaced module's output.
    rows_of
        Index of the input tensor that has a row for each row of the output. If None, the output is
        one row, which is broadcast in the product.
    """

    value: Tensor

    def __init__(self, value: Tensor, rows_of: int | None = 0) -> None:
        super().__init__()
        self.register_buffer("value", value)
        self.rows_of = rows_of

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the gate, in the widest floating-point format of the input tensors."""
        given = tensors_in((args, kwargs))
        if not given:
            return self.value
        # Masks and indices do not count, since a gate would be rounded to 0 or 1 in their format.
        formats = [tensor.dtype for tensor in given if tensor.is_floating_point()]
        widest = max(formats, key=lambda dtype: dtype.itemsize, default=self.value.dtype)
        value = self.value.to(given[0].device, widest)
        if self.rows_of is None:
            return value
        return value.expand(len(given[self.rows_of]), *value.shape[1:])


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
    """Return the features unchanged; this module replaces a gate that was folded."""

    def forward(self, input: Tensor, *args: object, **kwargs: object) -> Tensor:
        """Return the features; other inputs of the gate are ignored."""
        return input
