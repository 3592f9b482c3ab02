"""The shapes of feature maps and of the gates that multiply them."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

#: Layouts by the number of dimensions and the dimensions in which a gate is not 1.
_LAYOUTS: dict[tuple[int, tuple[int, ...]], str] = {
    (4, (1,)): "NC11",
    (5, (1,)): "NC111",
    (4, (3,)): "N11C",
    (5, (4,)): "N111C",
    (3, (2,)): "N1C",
    (3, (1,)): "NC1",
    (5, (1, 2)): "NRC11",
}

#: The same for a spatial map, one number per place.
_SPATIAL: dict[tuple[int, tuple[int, ...]], str] = {(4, (2, 3)): "N1HW"}


class Shape(NamedTuple):
    """The layout that the shapes of a feature map and its factor imply."""

    layout: str
    #: Values per row.
    channels: int
    #: Number of branches of the channels.
    groups: int = 1
    #: Height and width of a spatial map.
    spatial: tuple[int, int] | None = None
    #: Number of rows of an image, each of which has one group of its channels.
    rows: int = 1

    @property
    def of_signals(self) -> bool:
        """Whether the shapes also fit a weight per token; such products are counted separately."""
        return self.layout == "NC1"


def gate_shape(features: Sequence[int], gate: Sequence[int]) -> Shape | None:
    """Return how a gate multiplies features, or None if the shapes exclude a gate.

    Parameters
    ----------
    features
        Shape of the features, (B, ...).
    gate
        Shape of the gate, with the same number of dimensions. The size is 1 in every dimension
        along which the gate is only repeated. The first dimension has the size B, or 1 for a gate
        that is the same for all images.
    """
    layout = _LAYOUTS.get((len(gate), _wide(gate)))
    if layout is None or not _fits(features, gate) or features == gate:
        return None
    if prod(features[1:]) == prod(gate[1:]):
        return None  # every value has a gate of its own
    groups = gate[1] if layout == "NRC11" else 1
    return Shape(layout, prod(gate[1:]), groups)


def spatial_shape(features: Sequence[int], gate: Sequence[int]) -> Shape | None:
    """Return how a map (B, 1, H, W) multiplies features, or None."""
    layout = _SPATIAL.get((len(gate), _wide(gate)))
    if layout is None or not _fits(features, gate) or prod(features[1:]) == prod(gate[1:]):
        return None
    height, width = gate[2:]
    return Shape(layout, 1, spatial=(height, width))


def gated_shape(
    operands: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> tuple[int, Shape] | None:
    """Return which of two operands gates the other, and how, from shapes and compact shapes."""
    if len(operands) == 2:
        for gate in (1, 0):
            features, compact = operands[1 - gate][0], operands[gate][1]
            if shape := gate_shape(features, compact) or spatial_shape(features, compact):
                return gate, shape
    return None


def compact(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """Return a shape with size 1 for every dimension that only repeats, as after `expand`."""
    return tuple(1 if s == 0 else n for n, s in zip(shape, strides, strict=True))


def pooled(features: Tensor, shape: Shape) -> Float[Tensor, "b c"]:
    """Average features over all dimensions except images and the channels of the gate."""
    if features.ndim == 4 and shape.layout == "NC11":
        return features.mean((2, 3), dtype=torch.float32)
    if shape.layout.endswith("C"):
        return features.reshape(len(features), -1, shape.channels).mean(1, dtype=torch.float32)
    return features.reshape(len(features), shape.channels, -1).mean(2, dtype=torch.float32)


def _wide(gate: Sequence[int]) -> tuple[int, ...]:
    """Return the dimensions, after the images', in which a gate is wider than 1."""
    return tuple(dim for dim in range(1, len(gate)) if gate[dim] > 1)


def _fits(features: Sequence[int], gate: Sequence[int]) -> bool:
    """Tell whether a gate broadcasts to features without widening them."""
    return len(features) == len(gate) and all(
        wide in (1, size) for size, wide in zip(features, gate, strict=True)
    )
