"""Tick labels that do not overlap: few integers, short numbers, and names of cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import Formatter, FuncFormatter, MaxNLocator

#: Range of the largest number of an axis that is written without a power of ten.
_SHORT = (0.05, 1000)


def integer_ticks(places: int, **options: Any) -> MaxNLocator:
    """Return a locator of integers for an axis with a number of places.

    An axis of a single place has one tick. Two ticks would not both be integers.
    """
    return MaxNLocator(integer=True, min_n_ticks=min(2, places), **options)


def name_cells(axis: Axis, names: Sequence[str] | np.ndarray) -> None:
    """Name the rows or columns of a matrix in place of their numbers from 0."""
    labels = {float(place): name for place, name in enumerate(names)}
    axis.set_major_formatter(FuncFormatter(lambda place, _: labels.get(place, "")))


def unit_of(axis: Axis) -> str:
    r"""Divide the numbers at an axis by a power of ten, and return it for the label of the axis.

    Returns " ($10^{-3}$)", for example, or nothing if the numbers are short as they are, or the
    scale is not linear. The limits of the axis must be final.
    """
    largest = float(np.abs(axis.get_view_interval()).max())
    if axis.get_scale() != "linear" or largest == 0 or _SHORT[0] <= largest < _SHORT[1]:
        return ""
    exponent = int(np.floor(np.log10(largest)))
    axis.set_major_formatter(ScaledFormatter(exponent))
    return rf" ($10^{{{exponent}}}$)"


class ScaledFormatter(Formatter):
    """Numbers divided by a power of ten, which the label of the axis names."""

    def __init__(self, exponent: int) -> None:
        self.exponent = exponent

    def __call__(self, value: float, position: int | None = None) -> str:
        """Return a number as it stands at the axis."""
        return f"{value / 10**self.exponent:g}".replace("-", "\N{MINUS SIGN}")
