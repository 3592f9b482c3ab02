"""MobileNet, version 1, from timm."""

import timm
from torch import nn

from stripe.backbones.registry import BACKBONES
from stripe.backbones.stem import convolution_like, is_small


@BACKBONES.register("mobilenet")
def mobilenet(*, num_classes: int, in_channels: int, image_size: int = 32) -> nn.Module:
    """Build MobileNet (V1) at width 1, with ReLU as in Figure 9; timm's own has ReLU6."""
    model: nn.Module = timm.create_model(
        "mobilenetv1_100", num_classes=num_classes, in_chans=in_channels, act_layer=nn.ReLU
    )
    if is_small(image_size):
        model.conv_stem = convolution_like(model.conv_stem, stride=1)
    return model
