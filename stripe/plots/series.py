"""Colours and markers of series, which differ in grey and for colour-blind readers, too."""

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
