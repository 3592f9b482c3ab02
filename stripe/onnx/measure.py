"""Measure shapes that ONNX cannot infer, by running the graph."""

from collections.abc import Collection

import numpy as np
import torch
from onnx import ModelProto, helper

from stripe.errors import ModelError
from stripe.onnx.copied import copy_message
from stripe.onnx.graph import Dims
from stripe.onnx.image_input import ImageInput, image_input
from stripe.onnx.session import GraphSession

#: Sizes to try if a graph accepts any size: of photographs, of lines of text, of thumbnails.
_SIZES = ((224, 224), (48, 320), (32, 320), (64, 64), (32, 32))


def measured_shapes(model: ModelProto, tensors: Collection[str]) -> dict[str, Dims]:
    """Return the shapes of tensors in a run, with the first dimension unknown.

    Parameters
    ----------
    model
        A model with one input, a batch of images.
    tensors
        Names of tensors.

    Returns
    -------
    dict
        Shapes by name; empty if the model runs at none of the sizes that are tried.

    Raises
    ------
    ModelError
        If onnxruntime cannot load the model.
    """
    wider = copy_message(model)
    names = {f"stripe.shape.{number}": tensor for number, tensor in enumerate(tensors)}
    wider.graph.node.extend(
        helper.make_node("Shape", [tensor], [name]) for name, tensor in names.items()
    )
    taken, session = image_input(model), GraphSession(wider, list(names))
    for size in _SIZES:
        try:
            found = session.run(_example(taken, size))
        except ModelError:
            continue
        return {names[name]: _open(found[name]) for name in names}
    return {}


def _example(taken: ImageInput, size: tuple[int, int]) -> torch.Tensor:
    """Return a batch for a single run of the graph."""
    height, width = taken.height or size[0], taken.width or size[1]
    return torch.zeros(taken.batch or 2, taken.channels or 3, height, width)


def _open(shape: np.ndarray) -> Dims:
    return (None, *(int(size) for size in shape[1:]))
