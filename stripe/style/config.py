"""All settings of a run of style transfer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from stripe.errors import StripeError
from stripe.settings import Settings

#: The norms: instance norm; batch norm; batch norm with ASR.
Variant = Literal["in", "bn", "bn+asr"]
#: The network halves its input twice, so it works on sides that are multiples of this.
STRIDE = 4
#: The least side: at a quarter of it, reflection padding still has something to reflect.
SMALLEST = 2 * STRIDE


@dataclass(frozen=True, kw_only=True)
class StyleConfig(Settings):
    """All settings that determine the training of a style network.

    Parameters
    ----------
    variant
        The norm: "in", instance norm; "bn", batch norm; "bn+asr", batch norm with ASR.
    attention
        The attention module of the ASR, as in `stripe.list_attentions()`.
    style
        The painting, an image file. Default: a stained slice of tissue.
    content
        A folder of photographs, searched at any depth; the paper uses COCO's train2014. Default:
        the photographs of scikit-image and scikit-learn.
    features
        Network whose features compare images: "imagenet", torchvision's VGG16, which is downloaded
        once; "random" or "random:WIDTH", a VGG16 with random weights; or a file of VGG16 weights.
    size
        Side of the random crops of photographs, and shorter side of the painting.
    width
        Channels of the style network at full size.
    steps
        Steps of training.
    batch_size
        Photographs per step.
    lr
        Learning rate of Adam.
    content_weight
        Weight of the content in the loss, relative to the others; see `stripe.style.losses`.
    style_weight
        Weight of the style.
    variation_weight
        Weight of the total variation.
    sample_every
        Number of steps between two lines of the log; each adds a checkpoint and pictures in
        `out/samples`.
    precision
        "bf16" runs the networks under autocast; "fp32" does not. "auto" is "bf16" if the device
        supports it natively, otherwise "fp32". The run's config.json records the choice.
    seed
        Seed of the weights, the order of photographs and the crops; equal for all variants.
    device
        "auto" takes a GPU if there is one; or "cpu", "cuda", "cuda:1".
    workers
        Number of processes that read photographs; 0 reads in the training process.
    out
        A new or empty directory for all files of the run.

    Raises
    ------
    StripeError
        If a value is out of range or of a wrong type; the message says what is allowed.

    References
    ----------
    Width, weights of content and style, lr, steps and batches: Johnson et al., 2016. Its losses are
    not relative, so its weights have another meaning.
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
        """Return the fields in which two runs differ; without an ASR, not its attention module."""
        found = super().differences(other)
        return [name for name in found if name != "attention" or self.variant == "bn+asr"]
