"""The networks of the sensitivity study, trained by it or taken from a store of trainings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from stripe.train import TrainConfig, train
from stripe.train.run import CONFIG, WEIGHTS, read_config
from stripe.train.trained import trained_network


@dataclass(frozen=True)
class Subject:
    """A network of the study; `run` is where a finished training of it is, if there is one."""

    backbone: str
    attention: str | None = None
    epochs: int = 5
    seed: int = 0
    dataset: str = "fashion-mini"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    run: Path | None = None

    @property
    def name(self) -> str:
        """The name of its numbers; that of a finished training ends as its directory does.

        Two trainings in a store may differ in their schedule or data alone.
        """
        end = f"-{self.run.name.rpartition('-')[2]}" if self.run else ""
        attention = self.attention or "own"
        return f"{self.backbone.replace(':', '-')}-{attention}-{self.seed}{end}"


#: Trained by the study, those that take least time first.
SUBJECTS = (
    *(Subject("resnet20", name) for name in ("se", "eca", "ie", "srm", "dia", "cbam", "spa")),
    *(Subject("resnet20", name, seed=1) for name in ("se", "eca", "ie", "srm")),
    Subject("resnet20", "se", seed=2),
    Subject("tv:mobilenet_v3_small", epochs=60, dataset="photo-patches"),
    *(Subject("resnet38", name) for name in ("se", "eca", "ie", "srm", "dia", "cbam", "spa")),
    Subject("timm:seresnet18", epochs=6, dataset="fashion_mnist"),
    # bfloat16 nearly halves the speed of depthwise convolutions on a CPU
    Subject("timm:mobilenetv3_small_100", epochs=30, dataset="fashion_mnist", precision="fp32"),
    Subject("timm:regnety_002", epochs=10, dataset="fashion_mnist"),
    Subject("timm:ecaresnet26t", epochs=3, dataset="fashion_mnist"),
    Subject("timm:efficientnet_b0", epochs=5, dataset="fashion_mnist", precision="fp32"),
)
QUICK = (Subject("resnet8_basic", "se", epochs=1),)


def stored(folders: Sequence[Path]) -> Iterator[Subject]:
    """Yield the finished trainings with attention, and without noise, in stores of trainings."""
    for config in sorted(path for folder in folders for path in folder.glob(f"*/{CONFIG}")):
        run = config.parent
        if not (run / WEIGHTS).exists():
            continue
        made = read_config(config, TrainConfig)
        if made.attention and not made.asr and not made.noise:
            yield Subject(
                made.backbone, made.attention, made.epochs, made.seed, made.dataset, run=run
            )


def is_trained(subject: Subject, store: Path) -> bool:
    """Tell whether the network need not be trained."""
    return subject.run is not None or (_run(subject, store) / WEIGHTS).exists()


def network(subject: Subject, store: Path, data_root: Path) -> nn.Module:
    """Return a network of the study, trained or taken from the store."""
    run = _run(subject, store)
    if not is_trained(subject, store):
        train(TrainConfig(backbone=subject.backbone, attention=subject.attention,
                          dataset=subject.dataset, epochs=subject.epochs, seed=subject.seed,
                          precision=subject.precision, schedule="cosine", data_root=data_root,
                          out=run),
              resume=True, progress=False)  # fmt: skip
    return trained_network(run, data_root=data_root)


def _run(subject: Subject, store: Path) -> Path:
    return subject.run or store / subject.name / "run"
