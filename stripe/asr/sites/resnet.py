"""ResNet: after the last norm of a block, before the addition (Appendix C, Figure 6)."""

from timm.models import resnet as timm_resnet
from torch import nn
from torchvision.models import resnet

from stripe.asr.sites.rule import RULES, FamilyDefaults, named

#: The last norm, by class of block.
LAST_NORM: dict[type[nn.Module], str] = {
    resnet.Bottleneck: "bn3",
    resnet.BasicBlock: "bn2",
    timm_resnet.Bottleneck: "bn3",
    timm_resnet.BasicBlock: "bn2",
}


@RULES.register("resnet")
def resnet_defaults(model: nn.Module) -> FamilyDefaults:
    """Place after the last norm of every residual block of torchvision and timm."""
    return named(model, LAST_NORM)
