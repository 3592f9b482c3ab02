"""ViT: after attention and after the MLP, on the feature dimension (Appendix C, Figure 10)."""

from dataclasses import replace

from timm.models import vision_transformer as timm_vit
from torch import nn
from torchvision.models import vision_transformer

from stripe.asr.sites.rule import RULES, FamilyDefaults, named

#: The layers whose output is added to the tokens, by class of block.
LAST_LAYERS: dict[type[nn.Module], tuple[str, str]] = {
    timm_vit.Block: ("attn.proj", "mlp.fc2"),
    vision_transformer.EncoderBlock: ("self_attention", "mlp.3"),
}


@RULES.register("vit")
def vit_defaults(model: nn.Module) -> FamilyDefaults:
    """Place after both branches of every encoder block, with Tanh and everything at 1e-3."""
    return replace(named(model, LAST_LAYERS), activation="tanh", psi=1e-3, weight=1e-3)
