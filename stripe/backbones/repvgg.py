"""RepVGG-A0 and RepVGG-B3 from timm, with their own fusion of branches."""

import timm
from timm.models.byobnet import RepVggBlock
from torch import nn

from stripe.backbones.registry import BACKBONES
from stripe.backbones.stem import convolution_like, is_small


def _build(name: str, num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    model: nn.Module = timm.create_model(name, num_classes=num_classes, in_chans=in_channels)
    stem = model.get_submodule("stem")
    if is_small(image_size) and isinstance(stem, RepVggBlock):
        for branch in (stem.conv_kxk, stem.conv_1x1):
            branch.conv = convolution_like(branch.conv, stride=1)
    return model


@BACKBONES.register("repvgg_a0")
def repvgg_a0(*, num_classes: int, in_channels: int, image_size: int = 32) -> nn.Module:
    """Build RepVGG-A0 (Table 5)."""
    return _build("repvgg_a0", num_classes, in_channels, image_size)


@BACKBONES.register("repvgg_b3")
def repvgg_b3(*, num_classes: int, in_channels: int, image_size: int = 32) -> nn.Module:
    """Build RepVGG-B3 (Table 5)."""
    return _build("repvgg_b3", num_classes, in_channels, image_size)
