"""The losses of style transfer: content, style and total variation."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.style.features import LAYERS, VGGFeatures

#: The layer whose features are the content (Johnson et al.).
CONTENT = LAYERS.index("relu2_2")


class Losses(NamedTuple):
    """The three parts of the loss of a batch, each (), without weights.

    Parameters
    ----------
    content
        Mean squared difference between the features at relu2_2 of the stylised picture and of the
        photograph, divided by the mean square of the latter.
    style
        Mean over the four layers of the squared distance between the Gram matrices of the stylised
        picture and of the painting, divided by the squared norm of the latter.
    variation
        Mean squared difference of neighbouring pixels.

    Notes
    -----
    Content and style are relative: 0 if nothing differs, and 1 if the features or the Gram matrices
    of the stylised picture are zero. Weights therefore have the same meaning for every network that
    computes the features.
    """

    content: Float[Tensor, ""]
    style: Float[Tensor, ""]
    variation: Float[Tensor, ""]


def gram(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c c"]:
    """Return the Gram matrices of maps: products of channels, averaged over places, in float32."""
    with torch.autocast(features.device.type, enabled=False):  # which would round the product
        flat = features.float().flatten(2)
        return flat @ flat.transpose(1, 2) / flat.shape[2]


def style_of(
    network: VGGFeatures, painting: Float[Tensor, "3 h w"]
) -> list[Float[Tensor, "1 _ _"]]:
    """Return the Gram matrices of a painting at each layer."""
    with interrupts_held(), torch.no_grad(), interrupts_allowed():
        return [gram(maps) for maps in network(painting[None])]


def losses(
    network: VGGFeatures,
    stylised: Float[Tensor, "b 3 h w"],
    photographs: Float[Tensor, "b 3 h w"],
    style: Sequence[Float[Tensor, "1 _ _"]],
) -> Losses:
    """Compare stylised images with their photographs and with the style of a painting."""
    with interrupts_held(), torch.no_grad(), interrupts_allowed():
        kept = network(photographs)[CONTENT].float()
    maps = network(stylised)
    content = (maps[CONTENT].float() - kept).square().mean() / kept.square().mean()
    of_style = [
        (gram(features) - target).square().sum((1, 2)).mean() / target.square().sum()
        for features, target in zip(maps, style, strict=True)
    ]
    pixels = stylised.float()
    down = (pixels[..., 1:, :] - pixels[..., :-1, :]).square().mean()
    right = (pixels[..., 1:] - pixels[..., :-1]).square().mean()
    return Losses(content, torch.stack(of_style).mean(), down + right)
