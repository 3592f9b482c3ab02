"""ShuffleNetV2: between the last norm and ReLU of the residual branch (Appendix C, Figure 8)."""

from torch import nn
from torchvision.models.shufflenetv2 import InvertedResidual

from stripe.asr.sites.rule import RULES, FamilyDefaults, named


@RULES.register("shufflenet")
def shufflenet_defaults(model: nn.Module) -> FamilyDefaults:
    """Place after the last batch norm of `branch2` of every torchvision block."""
    return named(model, {InvertedResidual: "branch2.6"})
