"""Fuse branches by the methods of RepVGG and ACNet themselves."""

import copy

from timm.models.byobnet import RepVggBlock
from torch import nn

from stripe.backbones.acnet import ACBlock
from stripe.errors import ModelError


def fuse_branches(model: nn.Module) -> nn.Module:
    """Return a copy of `model` with each RepVGG and ACNet block fused to one convolution.

    The copy computes the same in evaluation mode, also if the blocks have an ASR. Blocks of other
    kinds do not change.

    Raises
    ------
    ModelError
        If the model is in training mode.

    References
    ----------
    Ding et al., "RepVGG: Making VGG-style ConvNets Great Again", CVPR 2021, section 3.3; ACNet,
    section 3.3.
    """
    if model.training:
        raise ModelError("fuse_branches needs a model in evaluation mode; call model.eval() first")
    fused = copy.deepcopy(model)
    for name, module in list(fused.named_modules()):
        if isinstance(module, RepVggBlock):
            module.reparameterize()
        elif isinstance(module, ACBlock):
            fused.set_submodule(name, module.fuse())
    return fused.eval()  # timm's new convolutions come in training mode
