"""What a training run is, in full."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from beartype import BeartypeConf
from beartype.door import is_bearable

from stripe.errors import StripeError
from stripe.registry import listed
from stripe.robustness.noise_spec import NoiseSpec

#: Fields that say where and how a run happens, and do not change what comes out of it.
INCIDENTAL = ("device", "data_root", "download", "workers", "tensorboard", "out")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a training run.

    Parameters
    ----------
    backbone
        Network, as in `stripe.list_backbones()`.
    attention
        Attention module where the paper puts it, or none.
    asr
        Attention module of an ASR where the paper puts it, or none.
    copies
        How many of them at each place (delta, Tables 6 and 14).
    dataset
        Data set, as in `stripe.data.list_datasets()`; imagenet, a folder of that name under
        `data_root`; or folder:PATH, with train/ and val/ (or test/) of one folder per class.
    image_size
        Side of the images of imagenet and of folders.
    epochs
        Passes over the training images.
    batch_size
        Images per step, over all processes together.
    accumulate
        Parts into which each batch is split, one after the other, to need less memory.
    optimizer
        sgd, with Nesterov's momentum, or adamw.
    lr
        Learning rate after the warm-up and before the first decay.
    momentum
        Of sgd.
    weight_decay
        L2 penalty of sgd, decoupled decay of adamw, on every parameter.
    schedule
        "steps" multiplies the learning rate by `gamma` at `decay_at`; "cosine" lets it fall to
        zero along half a cosine.
    decay_at
        For "steps": shares of the run; half and three quarters are nearly the paper's epochs 81 and
        122 of 164 (Table 10).
    gamma
        For "steps": factor of each decay.
    warmup
        Epochs, as a share of all, over which the learning rate rises linearly from zero.
    label_smoothing
        Share of the target that is spread over all classes.
    padding
        Pixels around an image within which its random crop moves; not for images from folders,
        whose crops are random in size too.
    precision
        "bf16" runs the network under autocast; "fp32" does not.
    compile
        Run the network through torch.compile; on a GPU with CUDA graphs.
    sync_bn
        Under several processes, let batch norms see the batches of all.
    noise
        Noise in every batch norm, as `stripe.inject_noise` takes it: "constant:0.8,0.8",
        "random:0.3,0.3,when=train"; none by default.
    seed
        Of the weights, the order of images, the crops, the flips and the noise.
    record
        Record the gates of the first `record_images` test images before training and after every
        epoch, into `out/recording`.
    record_images
        How many.
    tensorboard
        Also write the log for TensorBoard.
    device
        "auto" takes a GPU if there is one; or "cpu", "cuda", "cuda:1".
    data_root
        The folder that holds data sets.
    download
        Let torchvision fetch a data set that is missing.
    workers
        Processes that read images of imagenet and of folders.
    out
        A new or empty directory for everything that the run leaves.

    Raises
    ------
    StripeError
        If a value is out of range or of a wrong type; the message says what is allowed.
    """

    backbone: str = "resnet20"
    attention: str | None = "se"
    asr: str | None = None
    copies: int = 1
    dataset: str = "fashion-mini"
    image_size: int = 224
    epochs: int = 10
    batch_size: int = 128
    accumulate: int = 1
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: Literal["steps", "cosine"] = "steps"
    decay_at: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    warmup: float = 0.05
    label_smoothing: float = 0.0
    padding: int = 4
    precision: Literal["bf16", "fp32"] = "bf16"
    compile: bool = False
    sync_bn: bool = False
    noise: str | None = None
    seed: int = 0
    record: bool = False
    record_images: int = 500
    tensorboard: bool = False
    device: str = "auto"
    data_root: Path = Path("data")
    download: bool = False
    workers: int = 2
    out: Path = Path("runs/train")

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if get_origin(hint) is Literal and value not in get_args(hint):
                allowed = ", ".join(get_args(hint))
                raise StripeError(f"{name} is one of {allowed}, got {value!r}")
            # Of a tuple only some entries are looked at, so each is looked at by itself.
            entries = value if get_origin(hint) is tuple and isinstance(value, tuple) else (value,)
            of_entry = get_args(hint)[0] if entries is value else hint
            if not all(
                is_bearable(entry, of_entry, conf=_INTEGERS_ARE_NUMBERS) for entry in entries
            ):
                expected = getattr(hint, "__name__", str(hint)) if hint in _PLAIN else str(hint)
                raise StripeError(f"{name} must be {expected}, got {value!r}")
            if isinstance(value, bool) and hint is not bool:
                raise StripeError(f"{name} must be a number, got {value!r}")
            if isinstance(value, float) and not math.isfinite(value):
                raise StripeError(f"{name} must be finite, got {value!r}")
        if not all(0 <= share <= 1 for share in self.decay_at):
            raise StripeError(f"decay_at holds shares of the run, 0 to 1, got {self.decay_at}")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise StripeError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise StripeError(f"{name} must be at most {most}, got {getattr(self, name)}")
        if self.accumulate > self.batch_size:
            raise StripeError(
                f"accumulate must be at most batch_size, {self.batch_size}, got {self.accumulate}"
            )
        if self.noise is not None:
            NoiseSpec.parse(self.noise)
            if self.compile:
                raise StripeError("noise and compile do not go together; leave one of them out")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON holds them; `from_json` reads them."""
        resolved: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return resolved

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Read a configuration, as `config.json` of a run holds it.

        Raises
        ------
        StripeError
            If there is an unknown field, or one of a wrong type.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known - {"command", "versions"}:
            raise StripeError(
                f"a configuration has the fields {listed(sorted(known))}; got "
                f"{', '.join(sorted(unknown))} as well"
            )
        given = {name: value for name, value in values.items() if name in known}
        for name in ("data_root", "out"):
            if isinstance(given.get(name), str):
                given[name] = Path(given[name])
        if isinstance(given.get("decay_at"), list):
            given["decay_at"] = tuple(given["decay_at"])
        return cls(**given)

    def differences(self, other: "TrainConfig") -> list[str]:
        """Return the fields in which two runs differ, those left out that change no result."""
        mine, theirs = self.to_json(), other.to_json()
        return [name for name in mine if name not in INCIDENTAL and mine[name] != theirs[name]]


_INTEGERS_ARE_NUMBERS = BeartypeConf(is_pep484_tower=True)
_PLAIN = (int, float, bool, str, Path)
_LEAST = {
    **dict.fromkeys(("epochs", "batch_size", "record_images", "accumulate", "copies"), 1),
    **dict.fromkeys(("seed", "padding", "workers", "warmup", "weight_decay", "momentum"), 0),
    **dict.fromkeys(("label_smoothing", "lr", "gamma"), 0),
    "image_size": 8,
}
_MOST = {"warmup": 1, "label_smoothing": 1, "momentum": 1, "seed": 2**63 - 1}
