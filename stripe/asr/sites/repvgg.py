"""RepVGG: between the sum of the branches and the ReLU (Appendix C, Figure 7)."""

from timm.models.byobnet import RepVggBlock
from torch import nn

from stripe.asr.sites.rule import RULES, FamilyDefaults, named


@RULES.register("repvgg")
def repvgg_defaults(model: nn.Module) -> FamilyDefaults:
    """Place at `attn`, which timm's block calls between the sum and the ReLU."""
    return named(model, {RepVggBlock: "attn"})
