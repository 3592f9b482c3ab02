"""VGG: between the norm and the ReLU of each layer (Appendix C, Figure 7)."""

from timm.models.vgg import VGG as TimmVGG  # noqa: N811 - an acronym twice
from torch import nn
from torchvision.models import VGG

from stripe.asr.sites.rule import RULES, FamilyDefaults


@RULES.register("vgg")
def vgg_defaults(model: nn.Module) -> FamilyDefaults:
    """Place after every batch norm of a VGG of torchvision or timm."""
    if not isinstance(model, VGG | TimmVGG):
        return FamilyDefaults(sites=())
    layers = model.features.named_children()
    return FamilyDefaults(
        sites=tuple(f"features.{name}" for name, m in layers if isinstance(m, nn.BatchNorm2d))
    )
