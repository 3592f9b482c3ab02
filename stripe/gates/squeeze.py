"""The average over places that a model itself computes of the features that a gate multiplies."""

from typing import NamedTuple

import torch

from stripe.gates.folding.factors import reduced
from stripe.gates.shape import Shape
from stripe.gates.tracing.steps import Step, Trace


class Squeeze(NamedTuple):
    """A module that is called once, and outputs the average or takes it.

    Parameters
    ----------
    module
        The name of the module.
    as_output
        Whether the module outputs the average. If False, the average is its first argument.
    """

    module: str
    as_output: bool


def squeeze_of(watched: Trace, features: int, shape: Shape, before: int) -> Squeeze | None:
    """Return the module with the average of features (B, C, H, W) over H x W, before a step.

    The result is None if the model does not compute exactly this average in float32, or if no
    module takes or outputs it.
    """
    node = watched.nodes[features]
    if shape.layout != "NC11" or shape.rows > 1 or node.dtype != torch.float32:
        return None
    origin = watched.root(features)
    for step in watched.steps[:before]:
        if _averages(watched, step, node.shape) and watched.root(step.inputs[0]) == origin:
            return _seen(watched, watched.root(step.outputs[0]), before)
    return None


def _averages(watched: Trace, step: Step, plane: tuple[int, ...]) -> bool:
    """Tell whether a step averages a tensor of this shape over its last two dimensions.

    An adaptive pool to 1 x 1 is such a mean. A pool with a kernel is none: it would average a part
    of a larger plane in a later batch.
    """
    if step.op != "mean" or len(step.inputs) != 1 or reduced(step, 4) != [2, 3]:
        return False
    made, averaged = watched.nodes[step.outputs[0]], watched.nodes[step.inputs[0]]
    return averaged.shape == plane and made.dtype == torch.float32


def _seen(watched: Trace, average: int, before: int) -> Squeeze | None:
    """Return a module that outputs a tensor or takes it as its first argument."""
    if (maker := watched.maker(average, before)) is not None:
        return Squeeze(maker, as_output=True)
    for call in watched.calls:
        if watched.first_argument(call) == average and watched.times(call.module) == 1:
            return Squeeze(call.module, as_output=False)
    return None
