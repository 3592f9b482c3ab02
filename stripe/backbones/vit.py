"""ViT-S and ViT-B with patches of 16, from timm."""

import timm
from torch import nn

from stripe.backbones.registry import BACKBONES
from stripe.errors import ModelError

PATCH = 16


def _build(name: str, num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    if image_size % PATCH:
        raise ModelError(f"a ViT with patches of 16 needs a multiple of 16, got {image_size}")
    model: nn.Module = timm.create_model(
        name, num_classes=num_classes, in_chans=in_channels, img_size=image_size
    )
    return model


@BACKBONES.register("vit_s_16")
def vit_s_16(*, num_classes: int, in_channels: int, image_size: int = 224) -> nn.Module:
    """Build ViT-S/16 (Table 2)."""
    return _build("vit_small_patch16_224", num_classes, in_channels, image_size)


@BACKBONES.register("vit_b_16")
def vit_b_16(*, num_classes: int, in_channels: int, image_size: int = 224) -> nn.Module:
    """Build ViT-B/16 (Table 2), at 224 or, with `image_size=384`, at 384."""
    return _build("vit_base_patch16_224", num_classes, in_channels, image_size)
