"""A table or a figure of the paper as data: its cells and its claim."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import pandas as pd
from matplotlib.axes import Axes

from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.runs import StoredRun
from stripe.settings import Settings


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of numbers that a claim says is above a bound.

    Parameters
    ----------
    label
        Short description.
    weights
        Weight of each cell's number, within one seed.
    metric
        Name of the metric.
    bound
        Bound; usually zero.
    paper
        The paper's value of the sum, minus the bound. Default: computed from the paper's numbers
        for the cells.
    average
        Whether the sum is an average over cells. A scale without a stand-in for some of them
        averages over the others.
    """

    label: str
    weights: Mapping[Cell, float]
    metric: str = "top1"
    bound: float = 0.0
    paper: float | None = None
    average: bool = False


@runtime_checkable
class Results(Protocol):
    """The finished runs of an exhibit that a kind draws (`stripe.reproduce.reproduction`)."""

    @property
    def stand_ins(self) -> Mapping[Cell, str]:
        """By cell, the network and data that replace the paper's."""

    def numbers(self) -> pd.DataFrame:
        """Return one row per cell and metric."""

    def finished_cells(self) -> list[Cell]:
        """Return the cells that have a finished run."""

    def first_finished(self) -> list[StoredRun]:
        """Return the first finished run of each of these cells."""


class Kind:
    """How the numbers of an exhibit are measured and drawn.

    A subclass defines which runs a cell needs, and draws their numbers.
    """

    #: The measured quantity, with its unit.
    metrics: ClassVar[Mapping[str, str]] = {}
    #: Hardware-dependent metrics, excluded from differences.
    hardware_metrics: ClassVar[Sequence[str]] = ()
    #: Numbers of each metric: the last epoch and others for a training, otherwise the mean.
    columns: ClassVar[Sequence[str]] = ("mean",)
    #: The number that the paper prints.
    printed: ClassVar[str] = "mean"

    def planned(self, scale: Scale, cell: Cell, seed: int) -> Sequence[Settings]:
        """Return the settings of the runs of a cell, in order. The last run gives the numbers.

        The list is empty if the scale has no stand-in for the cell.
        """
        raise NotImplementedError

    def seeds(self, scale: Scale, cell: Cell) -> Sequence[int]:
        """Return the seeds of a cell whose claim compares no accuracies."""
        return scale.seeds_of(cell, compared=False)

    def stand_in(self, config: Any) -> str:
        """Describe the network and data that replace the paper's, by their settings."""
        return f"{config.backbone} on {config.dataset}"

    def words(self, scale: Scale) -> str:
        """Describe the scale, for the heading."""
        return scale.words

    def draw(self, results: Results) -> Axes | None:
        """Draw the finished runs. Return None if there are none."""
        raise NotImplementedError


@dataclass(frozen=True)
class Exhibit:
    """A table or a figure of the paper.

    Parameters
    ----------
    name
        "table3", "figure11" and so on.
    title
        Subject, in a few words.
    claim
        Claim of the paper.
    kind
        Kind of measurement behind its numbers.
    cells
        All networks of the exhibit, without duplicates.
    contrasts
        The claim, cell by cell.
    remark
        Caveats for the reader of the report; "" for none.
    """

    name: str
    title: str
    claim: str
    kind: Kind
    cells: tuple[Cell, ...]
    contrasts: tuple[Contrast, ...]
    remark: str = ""

    @property
    def label(self) -> str:
        """The name in words, such as "Table 3"."""
        word, number, _ = re.split(r"(\d+|$)", self.name, maxsplit=1)
        return f"{word.capitalize()} {number}".rstrip()


def above(cell: Cell, *others: Cell, metric: str = "top1") -> Iterator[Contrast]:
    """Compare a cell with others, which are below it according to the claim."""
    for other in others:
        yield Contrast(f"{cell.label} - {_apart(other, cell)}", {cell: 1.0, other: -1.0}, metric)


def exceeds(cell: Cell, metric: str, bound: float) -> Contrast:
    """Compare a number of a cell with a bound."""
    less = f" - {bound:g}" if bound else ""
    return Contrast(f"{metric} of {cell.label}{less}", {cell: 1.0}, metric, bound)


def _apart(cell: Cell, than: Cell) -> str:
    """Return the words in which a cell differs from another."""
    words: dict[str, Any] = {w: getattr(cell, w) for w in ("dataset", "backbone", "method")}
    words["setting"] = cell.setting
    return " ".join(value for word, value in words.items() if value != getattr(than, word))
