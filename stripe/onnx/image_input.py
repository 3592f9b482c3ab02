"""The image input of a graph."""

from dataclasses import dataclass

import numpy as np
import torch
from onnx import ModelProto, TensorProto, helper
from torch import Tensor

from stripe.errors import ModelError
from stripe.onnx.graph import Dims, dims

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """The input of a graph, a batch of images.

    Parameters
    ----------
    name
        Name of the input.
    dtype
        Number format of the input.
    batch
        Number of images per run; None if the graph accepts any number.
    channels, height, width
        Shape of an image; None for a dimension that the graph leaves open.
    channels_last
        Whether images are (B, H, W, C).
    """

    name: str
    dtype: np.dtype
    batch: int | None
    channels: int | None
    height: int | None
    width: int | None
    channels_last: bool = False

    def fed(self, images: Tensor) -> np.ndarray:
        """Return images (B, C, H, W) in the layout and number format of the graph."""
        images = (
            images.detach().cpu().to(torch.float64 if self.dtype.itemsize > 4 else torch.float32)
        )
        array = images.permute(0, 2, 3, 1) if self.channels_last else images
        return np.ascontiguousarray(array.numpy().astype(self.dtype))


def image_input(model: ModelProto) -> ImageInput:
    """Return the input of a model.

    Raises
    ------
    ModelError
        If the model has several inputs, or its input is not a batch of images.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ModelError(
            f"an ONNX model must have one input, a batch of images, got {len(inputs)}: {names}; "
            "export it with the others as constants"
        )
    tensor = inputs[0].type.tensor_type
    shape: Dims = dims(tensor) if tensor.HasField("shape") else (None,) * 4
    if len(shape) != 4 or tensor.elem_type not in _FLOATS:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        came = " x ".join("?" if size is None else str(size) for size in shape)
        raise ModelError(
            f"the input of an ONNX model must be images (B, C, H, W) of floats, got "
            f"{inputs[0].name}: {kind} {came}"
        )
    channels_last = shape[3] in (1, 3) and shape[1] not in (1, 3)
    batch, channels, height, width = (
        shape[i] for i in ((0, 3, 1, 2) if channels_last else range(4))
    )
    return ImageInput(
        name=inputs[0].name,
        dtype=np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)),
        batch=batch,
        channels=channels,
        height=height,
        width=width,
        channels_last=channels_last,
    )
