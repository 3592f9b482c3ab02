"""ShuffleNetV2 at width 1, from torchvision."""

from typing import Any

import torchvision
from torch import nn

from stripe.backbones.registry import BACKBONES
from stripe.backbones.stem import convolution_like, is_small


@BACKBONES.register("shufflenetv2")
def shufflenetv2(*, num_classes: int, in_channels: int, image_size: int = 32) -> nn.Module:
    """Build ShuffleNetV2 x1.0."""
    model: Any = torchvision.models.shufflenet_v2_x1_0(num_classes=num_classes)
    stride = 1 if is_small(image_size) else 2
    model.conv1[0] = convolution_like(model.conv1[0], in_channels=in_channels, stride=stride)
    if is_small(image_size):
        model.maxpool = nn.Identity()
    network: nn.Module = model
    return network
