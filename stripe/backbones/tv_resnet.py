"""ResNet34, ResNet50 and ResNet101, from torchvision."""

import torchvision
from torch import nn

from stripe.backbones.registry import BACKBONES
from stripe.backbones.stem import convolution_like, is_small


@BACKBONES.register("resnet34", "resnet50", "resnet101", pattern=r"resnet(?P<depth>34|50|101)")
def tv_resnet(
    depth: int, *, num_classes: int, in_channels: int, image_size: int = 224
) -> nn.Module:
    """Build torchvision's ResNet of `depth`, as in Table 2."""
    model: nn.Module = getattr(torchvision.models, f"resnet{depth}")(num_classes=num_classes)
    if is_small(image_size):
        model.conv1 = convolution_like(
            model.conv1, in_channels=in_channels, kernel_size=3, stride=1
        )
        model.maxpool = nn.Identity()
    elif in_channels != 3:
        model.conv1 = convolution_like(model.conv1, in_channels=in_channels)
    return model
