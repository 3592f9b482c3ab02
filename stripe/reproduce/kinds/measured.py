"""The kinds of numbers that are measured on a finished training."""

from collections.abc import Sequence
from typing import ClassVar

from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Kind, Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.measurement import Measurement
from stripe.reproduce.store.runs import address
from stripe.settings import Settings
from stripe.train import TrainConfig


class MeasuredTraining(Kind):
    """A kind that trains the network of a cell, and then measures it."""

    #: Whether the training records its gates.
    records: ClassVar[bool] = False

    def measurement(
        self, scale: Scale, config: TrainConfig, of: tuple[str, ...], seed: int
    ) -> Measurement:
        """Return the settings of the measurement of a training run in the directory `of`."""
        raise NotImplementedError

    def planned(self, scale: Scale, cell: Cell, seed: int) -> Sequence[Settings]:
        """Return the settings of a training, and of its measurement."""
        config = (scale.recorded if self.records else scale.config)(cell, seed)
        if config is None:
            return []
        return [config, self.measurement(scale, config, (address(config),), seed)]


def trained_name(results: Results, cell: Cell) -> str:
    """Return the method of a cell, and the network and data that replace the paper's."""
    return f"{cell.method}, {results.stand_ins[cell]}"
