"""All settings of a run of style transfer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from stripe.errors import StripeError
from stripe.settings import Settings, settings

#: The norms: instance norm; batch norm; batch norm with ASR.
Variant = Literal["in", "bn", "bn+asr"]
#: The network halves its input twice, so it needs heights and widths that are multiples of 4.
STRIDE = 4
#: Smallest height and width of an image. At a quarter of it, reflection padding is still possible.
SMALLEST = 2 * STRIDE


@settings
@dataclass(frozen=True, kw_only=True)
class StyleConfig(Settings):
    """All settings for training a style network.

    Parameters
    ----------
    variant
        Norm: "in" (instance norm), "bn" (batch norm) or "bn+asr" (batch norm with ASR).
    attention
        Attention module of the ASR: a name from `stripe.list_attentions()`.
    style
        Image file of the style, such as a painting. Default: an image of stained tissue (extra
        `style`).
    content
        Folder of photographs, including all subfolders. The paper uses train2014 of COCO. Default:
        the photographs of scikit-image and scikit-learn (extra `style`).
    features
        Network that computes the features for comparing images: "imagenet" (torchvision's VGG16,
        which is downloaded once), "random" (a VGG16 with random weights), "random:WIDTH" (the same
        with WIDTH instead of 64 channels in the first layer, and the other layers in proportion),
        or a file of VGG16 weights.
    size
        Height and width of the random crops of photographs, and length of the shorter side of the
        style image, in pixels.
    width
        Number of channels of the style network at full resolution.
    steps
        Number of training steps.
    batch_size
        Number of photographs per step.
    lr
        Learning rate of Adam.
    content_weight
        Weight of the content loss, which is divided by the mean square of the features of the
        photograph.
    style_weight
        Weight of the style loss, which is divided by the mean square of the Gram matrix of the
        style image.
    variation_weight
        Weight of the total variation loss.
    sample_every
        Number of steps between two rows of the log. With each row, the run also writes a
        checkpoint, and pictures into `out/samples`.
    precision
        "bf16" uses autocast; "fp32" does not. "auto" is "bf16" if the device supports it natively,
        and otherwise "fp32". The file config.json of the run records the choice.
    seed
        Seed of the weights, of random features, and of the choice and the crops of photographs.
    device
        Device: "auto", "cpu", "cuda" or "cuda:N". "auto" uses a GPU if there is one.
    workers
        Number of processes that read photographs. With 0, the training process reads them.
    out
        A new or empty directory for all files of the run.

    Raises
    ------
    StripeError
        If a value is out of range or of the wrong type (the message says what is allowed), or `out`
        is inside `content`.

    References
    ----------
    Johnson et al., 2016, for width, weights of content and style, lr, steps and batch size. The
    losses in that paper are not divided by a mean square, so its weights have a different meaning.

    Examples
    --------
    >>> from stripe.style import StyleConfig
    >>> config = StyleConfig(variant="in", features="random:4", steps=1000, out=Path("runs/style"))
    >>> config.batch_size, config.attention
    (4, 'se')
    """

    LEAST: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(("width", "steps", "batch_size", "sample_every"), 1),
        **dict.fromkeys(("lr", "content_weight", "style_weight", "variation_weight"), 0),
        **dict.fromkeys(("seed", "workers"), 0),
        "size": 2 * SMALLEST,
    }
    MOST: ClassVar[Mapping[str, float]] = {"seed": 2**63 - 1}
    INCIDENTAL: ClassVar[tuple[str, ...]] = ("device", "workers", "out")

    variant: Variant = "bn+asr"
    attention: str = "se"
    style: Path | None = None
    content: Path | None = None
    features: str = "imagenet"
    size: int = 256
    width: int = 32
    steps: int = 40_000
    batch_size: int = 4
    lr: float = 1e-3
    content_weight: float = 1.0
    style_weight: float = 5.0
    variation_weight: float = 1.0
    sample_every: int = 100
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0
    device: str = "auto"
    workers: int = 2
    out: Path = Path("runs/style")

    def __post_init__(self) -> None:
        self.check()
        if self.content is not None and self.out.absolute().is_relative_to(self.content.absolute()):
            raise StripeError(
                f"out must not be in content, whose pictures are photographs; got {self.out}"
            )

    def differences(self, other: Settings) -> list[str]:
        """Return the fields that differ between two runs. Without ASR, attention is ignored."""
        found = super().differences(other)
        return [name for name in found if name != "attention" or self.variant == "bn+asr"]
