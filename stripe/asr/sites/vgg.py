"""VGG: between the norm and the ReLU of each layer (Appendix C, Figure 7)."""

from torch import nn
from torchvision.models import VGG

from stripe.asr.sites.rule import RULES, Placement


@RULES.register("vgg")
def vgg_placement(model: nn.Module) -> Placement:
    """Place after every batch norm of a torchvision VGG."""
    if not isinstance(model, VGG):
        return Placement(sites=())
    layers = model.features.named_children()
    return Placement(
        sites=tuple(f"features.{name}" for name, m in layers if isinstance(m, nn.BatchNorm2d))
    )
