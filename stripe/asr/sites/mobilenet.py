"""MobileNet: between norm and ReLU of the depthwise and the pointwise layer (Figure 9)."""

from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from torch import nn

from stripe.asr.sites.rule import RULES, FamilyDefaults

NORMS = ("bn1", "bn2")


@RULES.register("mobilenet")
def mobilenet_defaults(model: nn.Module) -> FamilyDefaults:
    """Place at `bn1.drop` and `bn2.drop`, which timm's fused norms call before their ReLU."""
    if any(isinstance(module, InvertedResidual) for module in model.modules()):
        return FamilyDefaults(sites=())  # a later MobileNet or an EfficientNet
    blocks = [
        name for name, module in model.named_modules() if isinstance(module, DepthwiseSeparableConv)
    ]
    return FamilyDefaults(sites=tuple(f"{block}.{norm}.drop" for block in blocks for norm in NORMS))
