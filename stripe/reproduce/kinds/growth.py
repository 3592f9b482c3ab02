"""Measure the growth of noise through a trained network, and its bound (Theorem 6.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.axes import Axes

from stripe import plots
from stripe.reproduce.kinds.measured import MeasuredTraining
from stripe.reproduce.kinds.sampled import SampledMeasurement
from stripe.reproduce.paper.exhibits import Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.train import TrainConfig

#: Power iterations on every convolution of a deep network take a minute per 16 images.
_IMAGES = 16
_TABLE = "growth.csv"


@dataclass(frozen=True, kw_only=True)
class Growth(SampledMeasurement):
    """The growth of a perturbation from the first block of a network to its last."""

    LEAVES: ClassVar[tuple[str, ...]] = (_TABLE,)

    images: int = _IMAGES

    def measure(self) -> dict[str, float]:
        """Return the bound and the measured growth as powers of ten, and write both by block."""
        import numpy as np
        import torch

        from stripe.robustness import noise_bound

        model, images = self.opened()
        table = noise_bound(
            model, torch.cat([batch for batch, *_ in images]), repeats=4, seed=self.seed
        )
        table.to_csv(self.out / _TABLE, index=False)
        last = table.iloc[-1]
        return {
            "bound": float(np.log10(last["bound"])),
            "growth": float(np.log10(last["cumulated"])),
            "gate": float(table["alpha"].mean()),
        }


@dataclass(frozen=True)
class NoiseGrowth(MeasuredTraining):
    """Measure the growth of noise in trained networks, and its bound (Theorem 6.1)."""

    metrics: ClassVar[Mapping[str, str]] = {
        "bound": "log10 of M of Equation 9: the factor by which a perturbation can grow",
        "growth": "log10 of the factor by which a small random perturbation of an image grows "
        "from the first block to the last, the median over images and draws",
        "gate": "alpha of the theorem, the largest gate value of a block, mean over blocks; 1 "
        "without gates",
    }

    def measurement(
        self, scale: Scale, config: TrainConfig, of: tuple[str, ...], seed: int
    ) -> Growth:
        """Return the settings of the measurement of noise."""
        return Growth(of=of, seed=seed)

    def draw(self, results: Results) -> Axes | None:
        """Draw the bound and the measured growth of every network."""
        numbers = results.numbers()
        powers = numbers[numbers["metric"].isin(("bound", "growth"))]
        if not powers["n"].any():
            return None
        return plots.reproduction(
            powers.assign(setting=powers["metric"], paper=float("nan")),
            value="mean",
            xlabel="growth of a perturbation (power of ten)",
        )
