"""Adapt the first layers of networks for large images to small images."""

from typing import Any

from torch import nn

#: Images up to this side are small: their stem keeps the resolution.
SMALL = 128


def is_small(image_size: int) -> bool:
    """Tell whether images of this side need a stem that keeps the resolution."""
    return image_size <= SMALL


def convolution_like(layer: Any, **changes: Any) -> nn.Conv2d:
    """Return a new convolution like `layer` but for `changes`, with padding to match its kernel."""
    options = {
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "bias": layer.bias is not None,
        **changes,
    }
    kernel = options["kernel_size"]
    side = kernel if isinstance(kernel, int) else kernel[0]
    return nn.Conv2d(**options, padding=side // 2)
