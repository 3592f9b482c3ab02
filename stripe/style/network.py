"""The feed-forward network of style transfer, with the norm as a parameter."""

from collections.abc import Callable
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stripe.asr import insert
from stripe.errors import DataError, StripeError
from stripe.modules.seeded import seeded
from stripe.style.config import SMALLEST, STRIDE, Variant
from stripe.typed import typed

#: The sites of ASR: after the last norm of each residual block, as in a ResNet.
SITES = "blocks.*.norm2"

Norm = Callable[[int], nn.Module]


@typed
def style_network(
    variant: Variant,
    *,
    attention: str = "se",
    width: int = 32,
    blocks: int = 5,
    seed: int = 0,
) -> "StyleNetwork":
    """Build a style network: instance norm, batch norm, or batch norm with ASR.

    Parameters
    ----------
    variant
        "in" (instance norm), "bn" (batch norm) or "bn+asr" (batch norm, and an ASR after the last
        norm of each residual block).
    attention
        Attention module of the ASR: a name from `stripe.list_attentions()`.
    width
        Number of channels at full resolution. It doubles at half the resolution, and again at a
        quarter.
    blocks
        Number of residual blocks.
    seed
        Seed of the weights. With the same seed, all variants start with the same convolutions.

    Raises
    ------
    StripeError
        If there is no such variant.
    UnknownNameError
        If there is no such attention module.

    Examples
    --------
    >>> from stripe.style import style_network
    >>> network = style_network("bn+asr", width=4, blocks=1)
    >>> network(torch.rand(1, 3, 30, 45)).shape
    torch.Size([1, 3, 30, 45])
    """
    if variant not in get_args(Variant):
        names = ", ".join(get_args(Variant))
        raise StripeError(f"a style network is one of {names}, got {variant!r}")
    with seeded(seed):
        norm: Norm = nn.BatchNorm2d if variant != "in" else _instance_norm
        network = StyleNetwork(norm, width, blocks)
        if variant == "bn+asr":
            insert(network, asr=attention, sites=SITES, inplace=True)
    return network


class StyleNetwork(nn.Module):
    """Stylise photographs in one forward pass.

    Two strided convolutions reduce the height and width of the image to a quarter, and residual
    blocks follow. Nearest-neighbour upsampling and convolutions restore the full size. They replace
    transposed convolutions, whose overlaps leave a checkerboard pattern. All convolutions use
    reflection padding, so that no frame appears at the borders.

    Parameters
    ----------
    norm
        Function from a number of channels to a norm, which follows each convolution except the
        last.
    width
        Number of channels at full resolution.
    blocks
        Number of residual blocks.

    References
    ----------
    Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution", 2016; Odena et al., "Deconvolution and Checkerboard Artifacts", 2016.

    Examples
    --------
    >>> from stripe.style import StyleNetwork
    >>> network = StyleNetwork(torch.nn.BatchNorm2d, width=4, blocks=2)
    >>> len(network.blocks), network(torch.zeros(1, 3, 8, 8)).shape
    (2, torch.Size([1, 3, 8, 8]))
    """

    @typed
    def __init__(self, norm: Norm, width: int = 32, blocks: int = 5) -> None:
        super().__init__()
        half, quarter = 2 * width, 4 * width
        self.encoder = nn.Sequential(
            _Layer(3, width, norm, size=9),
            _Layer(width, half, norm, stride=2),
            _Layer(half, quarter, norm, stride=2),
        )
        self.blocks = nn.Sequential(*(_Block(quarter, norm) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2), _Layer(quarter, half, norm),
            nn.Upsample(scale_factor=2), _Layer(half, width, norm),
        )  # fmt: skip
        self.head = _conv(width, 3, size=9)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Stylise images in [0, 1]. The result is also in [0, 1], and has the same size.

        Raises
        ------
        DataError
            If the height or width of an image is below 8 pixels.
        """
        height, width = images.shape[-2:]
        if min(height, width) < SMALLEST:
            raise DataError(
                f"an image must be at least {SMALLEST} pixels high and wide, got {height} x {width}"
            )
        below, right = -height % STRIDE, -width % STRIDE
        x = F.pad(images, (0, right, 0, below), mode="reflect")
        x = self.head(self.decoder(self.blocks(self.encoder(x))))
        stylised: Tensor = torch.sigmoid(x)[..., :height, :width]
        return stylised


class _Layer(nn.Module):
    """A convolution, a norm and a ReLU."""

    def __init__(
        self, inputs: int, outputs: int, norm: Norm, *, size: int = 3, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = _conv(inputs, outputs, size=size, stride=stride)
        self.norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = F.relu(self.norm(self.conv(x)))
        return activated


class _Block(nn.Module):
    """Two convolutions beside a shortcut, without a ReLU behind the sum."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.conv1, self.norm1 = _conv(channels, channels), norm(channels)
        self.conv2, self.norm2 = _conv(channels, channels), norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        summed: Tensor = x + self.norm2(self.conv2(y))
        return summed


def _conv(inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> nn.Conv2d:
    options: dict[str, Any] = {"padding": size // 2, "padding_mode": "reflect"}
    return nn.Conv2d(inputs, outputs, size, stride, **options)


def _instance_norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True)
