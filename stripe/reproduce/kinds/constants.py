"""Measure constants at inference, before and after fine-tuning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.axes import Axes

from stripe import plots
from stripe.reproduce.kinds.measured import MeasuredTraining
from stripe.reproduce.paper.exhibits import Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.measurement import Measurement
from stripe.train import TrainConfig


@dataclass(frozen=True, kw_only=True)
class ConstantGates(Measurement):
    """Accuracy of a trained network with constants instead of gates.

    Parameters
    ----------
    epochs
        Epochs of fine-tuning, as for `constants_at_inference`.
    """

    LEAST: ClassVar[Mapping[str, float]] = {"epochs": 1}
    LEAVES: ClassVar[tuple[str, ...]] = ("constants",)

    epochs: int = 2

    def measure(self) -> dict[str, float]:
        """Return accuracies in percent, and both losses of accuracy in percentage points."""
        from stripe.audit.fine_tuned import constants_at_inference  # this imports torch

        table = constants_at_inference(
            self.runs[0], self.out / "constants", epochs=self.epochs, device=self.device,
            data_root=self.data_root, progress=False,
        ).set_index("network")  # fmt: skip
        accuracy, loss = 100 * table["accuracy"], table["loss"]
        return {
            "attention": float(accuracy["attention"]),
            "constants": float(accuracy["constants"]),
            "fine_tuned": float(accuracy["fine-tuned"]),
            "loss": float(loss["constants"]),
            "loss_fine_tuned": float(loss["fine-tuned"]),
        }


@dataclass(frozen=True)
class ConstantsAtInference(MeasuredTraining):
    """Measure constants at inference (Section 6 (1)) in the networks of Table 3."""

    metrics: ClassVar[Mapping[str, str]] = {
        "attention": "test accuracy in percent, of the network as it was trained",
        "constants": "the same with every gate replaced by its mean over the training images",
        "fine_tuned": "the same after fine-tuning, with the constants as they are",
        "loss": "attention - constants, in percentage points",
        "loss_fine_tuned": "attention - fine_tuned, in percentage points",
    }

    def measurement(
        self, scale: Scale, config: TrainConfig, of: tuple[str, ...], seed: int
    ) -> ConstantGates:
        """Return the settings of the comparison with constant gates."""
        return ConstantGates(of=of, seed=seed)

    def draw(self, results: Results) -> Axes | None:
        """Draw the accuracy lost with constants, before and after fine-tuning."""
        numbers = results.numbers()
        losses = numbers[numbers["metric"].isin(("loss", "loss_fine_tuned"))]
        if not losses["n"].any():
            return None
        words = losses["metric"].map({"loss": "constants", "loss_fine_tuned": "fine-tuned"})
        return plots.reproduction(
            losses.assign(setting=words, paper=float("nan")),
            value="mean",
            xlabel="loss of test accuracy (percentage points)",
        )
