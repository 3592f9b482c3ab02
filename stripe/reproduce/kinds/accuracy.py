"""Tables of accuracy: a training per cell and seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.axes import Axes

from stripe import plots
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Kind, Results
from stripe.reproduce.paper.noise_reading import DEFAULT_READING, NoiseReading
from stripe.reproduce.paper.scale_rules import Scale
from stripe.settings import Settings


@dataclass(frozen=True)
class Accuracy(Kind):
    """Measure test accuracies (Tables 2 to 9, 13 and 14).

    Parameters
    ----------
    reading
        Reading of the noises of Table 8.
    deep
        Train the deep networks of the scale, with the number of seeds for other measurements.
    """

    metrics: ClassVar[Mapping[str, str]] = {
        "top1": "test accuracy in percent, after the last epoch, the best of all, and the mean of "
        "the last ten",
        "top5": "the same, of the label among the five highest scores",
    }
    columns: ClassVar[Sequence[str]] = ("last", "best", "last_ten")
    printed: ClassVar[str] = "best"

    reading: NoiseReading = DEFAULT_READING
    deep: bool = False

    def planned(self, scale: Scale, cell: Cell, seed: int) -> list[Settings]:
        """Return the training of a cell, after the training of its initial weights, if any."""
        trained = scale.deepened() if self.deep else scale
        return list(trained.trainings(cell, seed, self.reading))

    def seeds(self, scale: Scale, cell: Cell) -> Sequence[int]:
        """Return the seeds of a claim on a difference of accuracies."""
        return scale.seeds_of(cell, compared=not self.deep)

    def draw(self, results: Results) -> Axes | None:
        """Draw our accuracies and the paper's, both of the best epoch."""
        numbers = results.numbers()
        top1 = numbers[numbers["metric"] == "top1"]
        if not top1["n"].any():
            return None
        label = "test accuracy of the best epoch (%)"
        return plots.reproduction(
            top1.assign(std=top1["best_std"]), value=self.printed, xlabel=label
        )
