"""Our accuracies beside the paper's."""

import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new
from stripe.plots.choose import with_columns

#: Of a heading that fit in a column.
_LETTERS = 62
_WORDS = ("dataset", "backbone", "method", "setting")


def reproduction(
    data: pd.DataFrame, *, heading: str | None = None, ax: Axes | None = None, **kwargs: Any
) -> Axes:
    """Draw the cells of a reproduced table, one per row: ours with its spread, and the paper's.

    Parameters
    ----------
    data
        From `Reproduction.numbers`: dataset, backbone, method, setting, last, std and paper, in
        percent; what is missing is NaN.
    heading
        What is shown, above the figure.
    ax
        Axes to draw on; by default new ones.
    **kwargs
        For the `Axes.errorbar` of ours.

    Returns
    -------
    Axes
        `ax`; the bars are standard deviations over seeds. Words that all cells share are left out.
    """
    data = with_columns(data, [*_WORDS, "last", "std", "paper"], names=_WORDS)
    told = [word for word in _WORDS if len(set(data[word])) > 1] or ["method"]
    labels = [" ".join(filter(None, map(str, row))) for row in data[told].itertuples(index=False)]
    titled = textwrap.wrap(heading or "", _LETTERS)
    ax = axes_or_new(ax, height=0.75 + 0.13 * (len(data) + len(titled)))
    rows = np.arange(len(data))
    ours, papers = sns.color_palette("colorblind", 2)
    ax.scatter(
        data["paper"], rows, marker="D", s=14, facecolor="none", edgecolor=papers, label="paper"
    )
    style = {"fmt": "o", "markersize": 3, "elinewidth": 0.8, "color": ours, "label": "ours"}
    ax.errorbar(data["last"], rows, xerr=data["std"].fillna(0), **{**style, **kwargs})
    ax.set_yticks(rows, labels)
    ax.set_ylim(len(data) - 0.5, -0.5)
    ax.set_xlabel("test accuracy (%)")
    if titled:
        figure: Any = ax.get_figure()
        figure.suptitle("\n".join(titled), fontsize=plt.rcParams["font.size"])
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax
