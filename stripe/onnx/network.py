"""An ONNX file as a torch module that runs forward."""

from pathlib import Path

import torch
from torch import Tensor, nn

from stripe.onnx.load import load_model
from stripe.onnx.session import GraphSession
from stripe.typed import typed


class OnnxNetwork(nn.Module):
    """A module that runs an ONNX file in onnxruntime, from images (B, C, H, W) to the first output.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        If the file is not ONNX, its external data is missing, its input is not one batch of images,
        or onnxruntime cannot load it.

    Examples
    --------
    >>> network = stripe.onnx.OnnxNetwork("model.onnx")
    >>> network(torch.rand(2, network.in_channels, 8, 8)).shape[0]
    2
    """

    @typed
    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        self.model = load_model(path)
        self.session = GraphSession(self.model)
        taken = self.session.input
        #: The number of channels of an image; 3 where the graph takes any.
        self.in_channels = taken.channels or 3
        #: The image size of the graph, in the form of timm's networks.
        self.pretrained_cfg = (
            {"input_size": (self.in_channels, taken.height, taken.width)}
            if taken.height and taken.width
            else {}
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the first output for a batch of images."""
        return torch.from_numpy(self.session.run(images)[self.session.names[0]])
