"""All settings of a training run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from stripe.defaults import DATA_ROOT, LARGEST_SEED
from stripe.errors import StripeError
from stripe.robustness.noise_spec import NoiseSpec
from stripe.settings import Settings, settings


@settings
@dataclass(frozen=True, kw_only=True)
class TrainConfig(Settings):
    """All settings of a training run.

    Parameters
    ----------
    backbone
        Network: a name from `stripe.list_backbones()`, tv:NAME, timm:NAME or module:function.
    attention
        Attention module, placed as in the paper. Default: none.
    asr
        Attention module of an ASR, placed as in the paper. Default: none.
    copies
        Number of ASRs at each site (delta, Tables 6 and 14).
    psi
        Initial psi of the ASRs: a number, or text such as "0.1", "constant:0.3" or "normal:0.1"; in
        Python also a `stripe.Psi`. With ",fixed" at the end, psi is not trained (Tables 7 and 13).
        The configuration stores psi as text. Default: the paper's value.
    asr_init
        Initial parameters of the attention modules of ASRs in a ViT, as `init` of `stripe.insert`:
        "paper" sets every parameter to 1e-3; "drawn" keeps random weights, and sets only the biases
        to 1e-3. The recipes use "paper".
    initial
        Initial weights: the directory of a finished run, or a file of weights. Position embeddings
        are resampled if the image size differs. The last layer gets random weights if the number of
        classes differs. Default: random weights, drawn from `seed`.
    dataset
        Data set: a name from `stripe.data.list_datasets()`; imagenet, a folder of that name in
        `data_root`; or folder:PATH, a folder with train/ and val/ (or test/), which have one folder
        per class. fashion-mini (grey) is bundled. photo-patches (colour) needs the extra `style`,
        and no other download.
    image_size
        Height and width of the images of imagenet and of folders, in pixels.
    limit
        Largest number of images of each split: the first ones of a data set, or evenly spaced ones
        of imagenet and folders. Default: all images.
    skip_broken
        Decode every image of imagenet or of folders before training, and skip those that cannot be
        read. Otherwise, such an image raises an error when it is read.
    epochs
        Number of passes over the training images.
    batch_size
        Number of images per step, over all processes together.
    accumulate
        Number of parts into which each batch is split to save memory.
    optimizer
        Optimizer: "sgd" or "adamw".
    lr
        Learning rate after warm-up and before the first decay; for "cosine", the peak of the half
        cosine.
    momentum
        Momentum of sgd, 0 to 1.
    nesterov
        Use Nesterov momentum. The recipes do not use it, because Table 10 of the paper says "SGD
        (0.9)".
    weight_decay
        Weight decay of every parameter: an L2 penalty for sgd, decoupled decay for adamw.
    schedule
        "steps" multiplies the learning rate by `gamma` at `decay_at`; "cosine" lowers it to zero
        along half a cosine.
    decay_at
        For "steps": times of the decays, as shares of the run, 0 to 1. One half and three quarters
        are close to the paper's epochs 81 and 122 of 164 (Table 10).
    gamma
        For "steps": factor of the learning rate at each decay.
    warmup
        Share of the run, 0 to 1, in which the learning rate rises linearly from zero.
    label_smoothing
        Share of the target that is distributed over all classes, 0 to 1.
    padding
        Padding around an image before its random crop, in pixels. Images from folders get crops of
        random size instead.
    precision
        "bf16" uses autocast; "fp32" does not. "auto" is "bf16" if the device supports it natively,
        and otherwise "fp32". The file config.json of the run records the choice.
    compile
        Run the network through torch.compile, with CUDA graphs on a GPU. It cannot be combined with
        `noise`.
    sync_bn
        With several processes, compute the statistics of batch norms over the whole batch, not over
        the share of each process. This needs GPUs.
    noise
        Noise in the batch norms, as for `stripe.inject_noise`, such as "constant:0.8,0.8" or
        "random:0.3,0.3,when=train". Default: none.
    seed
        Seed of the weights, the order of the images, the crops, the flips, dropout and the noise.
    record
        Record the gates of some test images before training and after every epoch, into
        `out/recording`.
    record_images
        Number of images to record. They are a random sample of the test images within `limit`. The
        sample depends only on this number and on the number of test images, not on `seed`, so all
        epochs and all networks record the same images.
    tensorboard
        Also write the log for TensorBoard (extra `tensorboard`). With `record`, this log includes
        `eta2` and `median_std` of every gate, as in `stripe.stats.stripe_index`.
    device
        Device: "auto", "cpu", "cuda" or "cuda:N". "auto" uses a GPU if there is one.
    data_root
        Folder that holds data sets.
    download
        Let torchvision download a missing data set.
    workers
        Number of processes that read the images of imagenet and of folders. With 0, the training
        process reads them.
    out
        A new or empty directory for all files of the run.

    Raises
    ------
    StripeError
        If a value is out of range or of the wrong type, or if two values cannot be combined. The
        message says what is allowed.

    Examples
    --------
    >>> from stripe.train import TrainConfig
    >>> TrainConfig(backbone="resnet20", asr="se", dataset="fashion-mini", epochs=7).epochs
    7
    """

    AS_TEXT: ClassVar[tuple[str, ...]] = ("psi",)
    LEAST: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(
            ("epochs", "batch_size", "record_images", "accumulate", "copies", "limit"), 1
        ),
        **dict.fromkeys(("seed", "padding", "workers", "warmup", "weight_decay", "momentum"), 0),
        **dict.fromkeys(("label_smoothing", "lr", "gamma"), 0),
        "image_size": 8,
    }
    MOST: ClassVar[Mapping[str, float]] = {
        "warmup": 1,
        "label_smoothing": 1,
        "momentum": 1,
        "seed": LARGEST_SEED,
    }
    INCIDENTAL: ClassVar[tuple[str, ...]] = (
        *("device", "data_root", "download", "workers", "tensorboard", "out"),
    )

    #: The values of these fields in runs from before the fields existed.
    BEFORE: ClassVar[Mapping[str, Any]] = {
        "nesterov": True,
        "asr_init": "paper",
        "initial": None,
        "skip_broken": False,
    }

    backbone: str = "resnet20"
    attention: str | None = None
    asr: str | None = None
    copies: int = 1
    psi: Any = None
    asr_init: Literal["paper", "drawn"] = "paper"
    initial: Path | None = None
    dataset: str = "fashion-mini"
    image_size: int = 224
    limit: int | None = None
    skip_broken: bool = False
    epochs: int = 10
    batch_size: int = 128
    accumulate: int = 1
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["steps", "cosine"] = "steps"
    decay_at: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    warmup: float = 0.05
    label_smoothing: float = 0.0
    padding: int = 4
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool = False
    sync_bn: bool = False
    noise: str | None = None
    seed: int = 0
    record: bool = False
    record_images: int = 500
    tensorboard: bool = False
    device: str = "auto"
    data_root: Path = DATA_ROOT
    download: bool = False
    workers: int = 2
    out: Path = Path("runs/train")

    def __post_init__(self) -> None:
        self.check()
        if not all(0 <= share <= 1 for share in self.decay_at):
            raise StripeError(f"decay_at holds shares of the run, 0 to 1, got {self.decay_at}")
        if self.nesterov and not self.momentum:
            raise StripeError("nesterov needs a momentum above 0, got momentum 0")
        if self.accumulate > self.batch_size:
            raise StripeError(
                f"accumulate must be at most batch_size, {self.batch_size}, got {self.accumulate}"
            )
        if self.noise is not None:
            NoiseSpec.parse(self.noise)
            if self.compile:
                raise StripeError("noise and compile do not go together; leave one of them out")

    @property
    def network(self) -> str:
        """The network in words, such as "resnet20, attention se, asr ie"."""
        parts = {"attention": self.attention, "asr": self.asr}
        return ", ".join(
            [self.backbone, *(f"{kind} {name}" for kind, name in parts.items() if name)]
        )

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine the run, with `initial` as a name without its folder."""
        found = super().identity()
        if self.initial is not None:
            found["initial"] = self.initial.name
        return found

    def differences(self, other: Settings) -> list[str]:
        """Return the fields that differ between two runs, except for paths of initial weights.

        The content of the initial weights is compared when a run is resumed.
        """
        assert isinstance(other, TrainConfig)
        found = super().differences(other)
        both = self.initial is not None and other.initial is not None
        return [name for name in found if name != "initial" or not both]
