"""Compare a folded graph with its unfolded version."""

from collections.abc import Sequence

import torch
from onnx import ModelProto, TensorProto

from stripe.errors import ModelError
from stripe.onnx.flow import flow
from stripe.onnx.graph import Graph
from stripe.onnx.image_input import ImageInput
from stripe.onnx.session import GraphSession, tensor_difference

#: The largest relative difference that rounding explains, by number format.
_ROUNDING = {TensorProto.FLOAT: 1e-4, TensorProto.DOUBLE: 1e-8, TensorProto.FLOAT16: 3e-2}

#: Largest ratio of the change by folding to that by onnxruntime's own optimisations.
_TIMES = 10

#: Height and width of the images for a graph without an image size.
_SIZE = 224


def compare(
    constant: ModelProto,
    folded: ModelProto,
    probes: Sequence[str],
    image_shape: tuple[int, ...] | None,
) -> float:
    """Return the largest difference between two graphs on random images, from a fixed seed.

    The difference is that of `tensor_difference`.

    Parameters
    ----------
    constant, folded
        The graphs.
    probes
        Tensors of both graphs to compare, in addition to the outputs.
    image_shape
        (C, H, W). Default: the shape in the graph.

    Raises
    ------
    ModelError
        If the difference is larger than rounding explains, and more than ten times the change by
        onnxruntime's own optimisations.
    """
    in_both = _made(constant) & _made(folded)
    shared = [name for name in dict.fromkeys(probes) if name in in_both]
    before, after = (GraphSession(model, shared) for model in (constant, folded))
    images = torch.randn(
        before.input.batch or 2,
        *_image_shape(before.input, image_shape),
        generator=torch.Generator().manual_seed(0),
    )
    watched = flow(Graph(constant), before.input.name)
    bounded = [name for name in before.names if watched.is_bounded(name)]
    values = before.run(images)
    error = tensor_difference(values, after.run(images), bounded)
    formats = {tensor.data_type for tensor in constant.graph.initializer} | {TensorProto.FLOAT}
    allowed = max(limit for dtype, limit in _ROUNDING.items() if dtype in formats)
    if error > allowed:  # deep networks amplify rounding, so measure it
        plain = GraphSession(constant, shared, optimize=False).run(images)
        allowed = max(allowed, _TIMES * tensor_difference(values, plain, bounded))
    if not error <= allowed:
        raise ModelError(
            f"folding must change nothing but rounding ({allowed:.1g}), and changed the output by "
            f"{error:.1e}; freeze with fold=False"
        )
    return error


def _image_shape(taken: ImageInput, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if shape is not None:
        return tuple(shape)
    return (taken.channels or 3, taken.height or _SIZE, taken.width or _SIZE)


def _made(model: ModelProto) -> set[str]:
    return {name for node in model.graph.node for name in node.output}
