"""Colours and markers of series, which differ in grey and for colour-blind readers, and bars."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import seaborn as sns

MARKERS = "osD^vPX*"
#: The first two colours of `series_styles`, and one for what remains.
FIRST, SECOND, REST = "#0173b2", "#de8f05", "#d9dde1"


def series_styles(count: int) -> list[dict[str, Any]]:
    """Return a colour and a marker for each of `count` series, as keywords of `Axes.plot`."""
    colours = sns.color_palette("colorblind", count)
    return [{"color": c, "marker": m} for c, m in zip(colours, cycle(MARKERS), strict=False)]


def said_of_bars(runs: Iterable[int]) -> str:
    """Say from how many runs the bars of standard deviations are; a single run has no bar.

    Examples
    --------
    >>> said_of_bars([1, 3, 3])
    'bars: standard deviation of 3 runs'
    """
    several = sorted({int(count) for count in runs if count > 1})
    numbers = "\N{EN DASH}".join(str(count) for count in dict.fromkeys([several[0], several[-1]]))
    return f"bars: standard deviation of {numbers} runs"
