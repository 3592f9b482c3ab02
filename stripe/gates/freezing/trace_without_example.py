"""Trace a network without example images, on images of usual sizes."""

from torch import Tensor, nn

from stripe.asr.difference import likely_shapes
from stripe.errors import ModelError
from stripe.gates.freezing.substitute import zeros
from stripe.gates.tracing.example import checked_example
from stripe.gates.tracing.steps import Trace
from stripe.gates.tracing.trace import trace


def trace_of(
    model: nn.Module, example: Tensor | None = None, shape: tuple[int, ...] | None = None
) -> Trace:
    """Trace a network with an example, or with images of a known or usual size.

    Parameters
    ----------
    model
        Any network without a wrapper. It is not changed.
    example
        A batch of images, (B, C, H, W).
    shape
        The shape of one image if no example is given. Default: that of the network's
        `pretrained_cfg`, or the first usual shape that the network accepts.

    Raises
    ------
    ModelError
        If no accepted size was found, or the network cannot be traced.
    """
    if example is not None:
        return trace(model, checked_example(example))
    native = getattr(model, "pretrained_cfg", {}).get("input_size")  # timm's networks say so
    usual = sorted(likely_shapes(model), key=lambda size: size[-1] != 224)
    sizes = [shape] if shape else [native] if native else usual
    last: Exception | None = None
    for size in sizes:
        try:
            return trace(model, zeros(model, (2, *size)))
        except Exception as error:
            last = error
    if shape and last is not None:
        raise last
    raise ModelError("no size of image was found that the model takes; give example=") from last
