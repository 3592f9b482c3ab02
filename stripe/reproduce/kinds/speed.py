"""Measure the speed of networks with attention relative to the bare network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
from matplotlib.axes import Axes

from stripe import plots
from stripe.reproduce.paper.cells import Cell, fields_of
from stripe.reproduce.paper.exhibits import Kind, Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.measurement import HARDWARE, Measurement
from stripe.settings import Settings

#: Number of classes, and channels and side of the images, by data set. Data sets are not opened.
SHAPES = {
    "cifar10": (10, 3, 32),
    "cifar100": (100, 3, 32),
    "stl10": (10, 3, 96),
    "fashion_mnist": (10, 1, 28),
    "fashion-mini": (10, 1, 28),
    "photo-patches": (20, 3, 32),
}


def shape_of(dataset: str) -> dict[str, Any]:
    """Return the arguments of `stripe.build` that depend on the data set."""
    classes, channels, side = SHAPES[dataset]
    return {"num_classes": classes, "in_channels": channels, "image_size": side}


@dataclass(frozen=True, kw_only=True)
class Timing(Measurement):
    """Speed and size of a network with random weights and with its ASR folded.

    Parameters
    ----------
    backbone, attention, asr
        As for `stripe.build`.
    num_classes, in_channels, image_size
        As for `stripe.build`.
    batch_size
        Number of images per forward pass.
    rounds
        Number of rounds. Each round also times the bare network.
    """

    TIMED: ClassVar[bool] = True
    LEAVES: ClassVar[tuple[str, ...]] = (HARDWARE,)
    LEAST: ClassVar[Mapping[str, float]] = {"batch_size": 1, "rounds": 1}

    backbone: str = "resnet164"
    attention: str | None = None
    asr: str | None = None
    num_classes: int = 100
    in_channels: int = 3
    image_size: int = 32
    batch_size: int = 32
    rounds: int = 15

    def measure(self) -> dict[str, float]:
        """Return millions of parameters, images per second, and the relative speed."""
        from stripe.train.device import hardware, resolve_device

        (self.out / HARDWARE).write_text(hardware(resolve_device(self.device)) + "\n")
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
        from stripe.modules.timing import compare_speed
        from stripe.train.device import resolve_device

        # The speed does not depend on the weights, so the seed is of the images alone.
        shape: Any = {n: getattr(self, n) for n in ("num_classes", "in_channels", "image_size")}
        networks = {"bare": build(self.backbone, **shape)}
        if self.attention or self.asr:
            gated = build(self.backbone, attention=self.attention, asr=self.asr, **shape)
            networks["gated"] = reparameterize(gated.eval()) if self.asr else gated
        side = self.image_size
        images = torch.randn(
            (self.batch_size, self.in_channels, side, side),
            generator=torch.Generator().manual_seed(self.seed),
        )
        device = resolve_device(self.device)
        return compare_speed(networks, images.to(device), rounds=self.rounds, progress=False)


class Speed(Kind):
    """Time networks (Table 1). All scales time the paper's networks, with their own rounds."""

    metrics: ClassVar[Mapping[str, str]] = {
        "params_millions": "millions",
        "fps": "images/s on this machine",
        "speed": "share of the bare network's, timed beside it",
    }
    hardware_metrics: ClassVar[Sequence[str]] = ("fps",)

    def planned(self, scale: Scale, cell: Cell, seed: int) -> list[Settings]:
        """Return a timing."""
        return [
            Timing(
                backbone=cell.backbone, **fields_of(cell), **shape_of(cell.dataset),
                batch_size=scale.timed_images, rounds=scale.rounds, seed=seed,
            )
        ]  # fmt: skip

    def stand_in(self, config: Timing) -> str:
        """Return the network and the size at which it is timed."""
        return f"{config.backbone} at {config.image_size} x {config.image_size}"

    def words(self, scale: Scale) -> str:
        """Describe how networks are timed."""
        return (
            f"the paper's networks, {scale.rounds} times {scale.timed_images} images, each time "
            "beside the bare one"
        )

    def draw(self, results: Results) -> Axes | None:
        """Draw the speed relative to the bare network."""
        numbers = results.numbers()
        speed = numbers[numbers["metric"] == "speed"]
        if not speed["n"].any():
            return None
        label = "speed, as a share of the bare network's"
        return plots.reproduction(speed, value="mean", xlabel=label)
