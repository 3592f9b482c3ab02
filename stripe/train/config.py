"""What a training run is, in full."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from stripe.errors import StripeError
from stripe.robustness import NoiseSpec


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a training run.

    Parameters
    ----------
    backbone
        Network, as in `stripe.list_backbones()`.
    attention, asr
        Attention module, and attention module of an ASR, where the paper puts them, or none.
    dataset
        Data set, as in `stripe.data.list_datasets()`.
    epochs
        Passes over the training images.
    batch_size
        Images per step.
    lr
        Learning rate after the warm-up and before the first decay.
    momentum
        Of SGD, with Nesterov's correction.
    weight_decay
        L2 penalty, on every parameter.
    schedule
        "steps" multiplies the learning rate by `gamma` at `decay_at`; "cosine" lets it fall to
        zero along half a cosine.
    decay_at
        For "steps": shares of the run; half and three quarters are the paper's epochs 81 and 122
        of 164 (Table 10).
    gamma
        For "steps": factor of each decay.
    warmup
        Epochs, as a share of all, over which the learning rate rises linearly from zero.
    seed
        Of the weights, the order of images, the crops and the flips.
    device
        "auto" takes a GPU if there is one; or "cpu", "cuda", "cuda:1".
    padding
        Pixels around an image within which its random crop moves.
    precision
        "bf16" runs the network under autocast; "fp32" does not.
    noise
        Noise in every batch norm, as `stripe.inject_noise` takes it: "constant:0.8,0.8",
        "random:0.3,0.3,when=train"; none by default.
    record
        Record the gates of the first `record_images` test images before training and after every
        epoch, into `out/recording`.
    record_images
        How many.
    out
        A new or empty directory for everything that the run leaves.

    Raises
    ------
    StripeError
        If a value is out of range; the message says what is allowed.
    """

    backbone: str = "resnet20"
    attention: str | None = "se"
    asr: str | None = None
    dataset: str = "fashion-mini"
    epochs: int = 10
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: Literal["steps", "cosine"] = "steps"
    decay_at: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    warmup: float = 0.05
    seed: int = 0
    device: str = "auto"
    padding: int = 4
    precision: Literal["bf16", "fp32"] = "bf16"
    noise: str | None = None
    record: bool = False
    record_images: int = 500
    out: Path = Path("runs/train")

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "record_images"):
            if getattr(self, name) < 1:
                raise StripeError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise StripeError(f"seed must be 0 or more, got {self.seed}")
        if self.noise is not None:
            NoiseSpec.parse(self.noise)
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                allowed, came = ", ".join(get_args(hint)), getattr(self, name)
                raise StripeError(f"{name} is one of {allowed}, got {came!r}")
