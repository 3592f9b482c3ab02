"""VGG19 with batch norm, from torchvision."""

from typing import Any

import torchvision
from torch import nn

from stripe.backbones.registry import BACKBONES
from stripe.backbones.stem import convolution_like, is_small


@BACKBONES.register("vgg19")
def vgg19(*, num_classes: int, in_channels: int, image_size: int = 32) -> nn.Module:
    """Build VGG19; for small images the classifier reads one average instead of 7 x 7 cells."""
    model: Any = torchvision.models.vgg19_bn(num_classes=num_classes)
    if in_channels != 3:
        model.features[0] = convolution_like(model.features[0], in_channels=in_channels)
    if is_small(image_size):
        for layer in model.features:
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = True  # rounded down, a side of 28 is halved to nothing
        model.avgpool = nn.AdaptiveAvgPool2d(1)
        model.classifier[0] = nn.Linear(512, 4096)
    network: nn.Module = model
    return network
