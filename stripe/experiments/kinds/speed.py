"""What attention costs: a network timed beside the bare one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
from matplotlib.axes import Axes

from stripe import plots
from stripe.experiments.cells import Cell, fields_of
from stripe.experiments.exhibits import Kind
from stripe.experiments.measurement import Measurement
from stripe.experiments.reproduce import Reproduction
from stripe.experiments.scales import Scale
from stripe.settings import Settings

#: Classes, and side of the images, of the paper's data sets.
SHAPES = {"cifar10": (10, 32), "cifar100": (100, 32), "stl10": (10, 96)}


@dataclass(frozen=True, kw_only=True)
class Timing(Measurement):
    """Speed and size of a network with random weights; ASR is folded first.

    Parameters
    ----------
    backbone, attention, asr
        As for `stripe.build`.
    num_classes, image_size
        As for `stripe.build`.
    batch_size
        Images per forward pass.
    rounds
        How often it is timed, each time beside the bare network.
    """

    TIMED: ClassVar[bool] = True
    LEAST: ClassVar[Mapping[str, float]] = {"batch_size": 1, "rounds": 1}

    backbone: str = "resnet164"
    attention: str | None = None
    asr: str | None = None
    num_classes: int = 100
    image_size: int = 32
    batch_size: int = 32
    rounds: int = 15

    def measure(self) -> dict[str, float]:
        """Return millions of parameters, images per second, and speed relative to the bare one."""
        row = self.timed().iloc[-1]
        return {
            "params_millions": float(row["parameters"]) / 1e6,
            "fps": float(row["images_per_s"]),
            "speed": float(row["ratio"]),
        }

    def timed(self) -> pd.DataFrame:
        """Time the bare network and this one."""
        import torch

        from stripe.asr import reparameterize
        from stripe.backbones import build
        from stripe.experiments.fps import compare_speed
        from stripe.train.device import resolve_device

        # The speed does not depend on the weights, so the seed is of the images alone.
        shape: Any = {"num_classes": self.num_classes, "image_size": self.image_size}
        networks = {"bare": build(self.backbone, **shape)}
        if self.attention or self.asr:
            gated = build(self.backbone, attention=self.attention, asr=self.asr, **shape)
            networks["gated"] = reparameterize(gated.eval()) if self.asr else gated
        side = self.image_size
        images = torch.randn(
            (self.batch_size, 3, side, side), generator=torch.Generator().manual_seed(self.seed)
        )
        device = resolve_device(self.device)
        return compare_speed(networks, images.to(device), rounds=self.rounds, progress=False)


class Speed(Kind):
    """Table 1. Networks are the paper's at every scale, which says how often they are timed."""

    metrics: ClassVar[Mapping[str, str]] = {
        "params_millions": "millions",
        "fps": "images/s on this machine",
        "speed": "share of the bare network's, timed beside it",
    }

    def planned(self, scale: Scale, cell: Cell, seed: int) -> list[Settings]:
        """Return a timing."""
        classes, side = SHAPES[cell.dataset]
        modules = fields_of(cell)
        return [
            Timing(
                backbone=cell.backbone, **modules, num_classes=classes, image_size=side,
                batch_size=scale.timed_images, rounds=scale.rounds, seed=seed,
            )
        ]  # fmt: skip

    def stand_in(self, config: Timing) -> str:
        """Say at which size the network is timed."""
        return f"{config.backbone} at {config.image_size} x {config.image_size}"

    def words(self, scale: Scale) -> str:
        """Say how often networks are timed."""
        return (
            f"the paper's networks, {scale.rounds} times {scale.timed_images} images, each time "
            "beside the bare one"
        )

    def shown(self, found: Reproduction) -> Axes | None:
        """Draw the speed relative to the bare network's."""
        numbers = found.numbers()
        if not numbers["n"].any():
            return None
        speed = numbers[numbers["metric"] == "speed"].rename(columns={"mean": "last"})
        ax = plots.reproduction(speed)
        ax.set_xlabel("speed, as a share of the bare network's")
        return ax
