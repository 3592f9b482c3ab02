"""An ONNX file as a torch module that runs forward."""

from pathlib import Path

import torch
from torch import Tensor, nn

from stripe.onnx.load import load_model
from stripe.onnx.session import GraphSession
from stripe.typed import typed


class OnnxNetwork(nn.Module):
    """Run an ONNX file in onnxruntime: a module from images (B, C, H, W) to the first output.

    Parameters
    ----------
    path
        The ONNX file.

    Raises
    ------
    ModelError
        If the file does not exist or is not ONNX, its external data is missing, its input is not
        one batch of images, or onnxruntime cannot load it.

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
        #: The number of channels of an image; 3 if the graph accepts any number.
        self.in_channels = taken.channels or 3
        #: The image size of the graph, in the form of timm's networks.
        self.pretrained_cfg = (
            {"input_size": (self.in_channels, taken.height, taken.width)}
            if taken.height and taken.width
            else {}
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the first output for a batch of images, on the CPU.

        Raises
        ------
        ModelError
            If onnxruntime cannot run the graph on the images.
        """
        return torch.from_numpy(self.session.run(images)[self.session.names[0]])
