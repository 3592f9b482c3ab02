"""Accuracy, speed and size of networks in one picture (Figure 3)."""

import re
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, legend_above
from stripe.plots.choose import with_columns
from stripe.plots.literal import literal
from stripe.plots.series import said_of_bars
from stripe.stats.share_interval import share_interval
from stripe.typed import typed

#: The marker of each kind of network, and its name in the legend.
_MARKERS = {"bare": "s", "attention": "o", "ASR": "*"}
#: Area in points squared of the largest marker, and of the smallest one.
_LARGEST, _LEAST = 70, 15


@typed
def tradeoff(
    data: pd.DataFrame,
    *,
    n_images: int | None = None,
    heading: str = "",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw accuracy against speed, with markers whose area grows with the number of parameters.

    Parameters
    ----------
    data
        The table of `stripe bench fps` with accuracies added: network, accuracy (0 to 1),
        images_per_s and parameters. It has one row per network or, with several seeds, one per run.
        A table of means over seeds also has the standard deviation over seeds (accuracy_std) and
        the number of seeds (n). The name of a network is "bare", its attention module ("se"),
        "asr(se)" or "asr(se) folded".
    n_images
        Number of test images of a single run, for its 95 % interval.
    heading
        Text above the picture, such as the name of the run. Default: none.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to each call of `Axes.scatter`.

    Returns
    -------
    Axes
        `ax`, with one marker per network. Each attention module has its own colour, and these
        colours differ in lightness. The marker of a network with ASR is a star. If a network has
        several runs, bars show the standard deviation over seeds. If every network has a single
        run, they show Wilson's 95 % interval of the accuracy on `n_images` images; without
        `n_images`, there are no bars.

    Raises
    ------
    StripeError
        If the table lacks a column, has no rows, or has texts instead of numbers. The table of
        `stripe bench fps` has all columns except accuracy.

    Notes
    -----
    All networks with less than about a fifth (15/70) of the parameters of the largest network have
    the smallest marker. The interval of a single run shows only the uncertainty from the choice of
    test images. Other seeds may reverse the order of two networks.

    References
    ----------
    Figure 3.

    Examples
    --------
    >>> speed = {"images_per_s": [980.0, 610.0], "parameters": [270_000, 300_000]}
    >>> networks = {"network": ["bare", "se"], "accuracy": [0.86, 0.87]}
    >>> ax = stripe.plots.tradeoff(pd.DataFrame({**networks, **speed}))
    """
    data = with_columns(
        data,
        ["network", "accuracy", "images_per_s", "parameters"],
        names=["network"],
        of="`stripe bench fps`, with the column accuracy",
    )
    accuracies = _accuracies(data)
    means = {"images_per_s": "mean", "parameters": "mean"}
    data = data.groupby("network", sort=False).agg(means).join(accuracies).reset_index()
    ax = axes_or_new(ax, height=2.2)
    modules = list(dict.fromkeys(module for module, _ in map(_read_name, data["network"])))
    colours = dict(zip(modules, sns.color_palette("viridis", len(modules)), strict=True))
    parameters = data["parameters"].to_numpy(dtype=float)
    sizes = np.maximum(_LARGEST * parameters / parameters.max(), _LEAST)
    for row, size in zip(data.itertuples(), sizes, strict=True):
        module, kind = _read_name(str(row.network))
        style = {"color": colours[module], "marker": _MARKERS[kind], "s": size}
        label = f"{row.network} ({_millions(float(row.parameters))})"  # type: ignore[arg-type]
        outline = {"edgecolor": "black", "linewidth": 0.4}
        accuracy = 100 * float(row.mean)  # type: ignore[arg-type]
        ax.scatter(row.images_per_s, accuracy, **{"label": label, **style, **outline, **kwargs})  # type: ignore[arg-type]
    ends, note = _bars(data, n_images)
    if ends is not None:
        bar: Any = {"fmt": "none", "ecolor": "0.4", "elinewidth": 0.7, "zorder": 0.9}
        ax.errorbar(data["images_per_s"], 100 * data["mean"], yerr=100 * ends, **bar)
    ax.set(xlabel=f"images per second{note}", ylabel="accuracy (%)")
    ax.margins(0.12)
    legend_above(ax, heading=literal(heading))
    return ax


def _accuracies(data: pd.DataFrame) -> pd.DataFrame:
    """Return the mean, std and count of the accuracies of each network, by its name."""
    networks = data.groupby("network", sort=False)
    if {"accuracy_std", "n"} <= set(data):
        return (
            networks[["accuracy", "accuracy_std", "n"]]
            .first()
            .set_axis(["mean", "std", "count"], axis=1)
        )
    return networks["accuracy"].agg(["mean", "std", "count"])


def _bars(data: pd.DataFrame, n_images: int | None) -> tuple[np.ndarray | None, str]:
    """Return the lengths of the bars below and above, and their description."""
    if data["count"].max() > 1:
        spread = data["std"].fillna(0).to_numpy(dtype=float)
        return np.stack([spread, spread]), f"\n{said_of_bars(data['count'])}"
    if n_images is None:
        return None, ""
    mean = data["mean"].to_numpy(dtype=float)
    low, high = share_interval(mean, n_images)
    return np.stack([mean - low, high - mean]), f"\nbars: 95 % interval, {n_images} images"


def _read_name(network: str) -> tuple[str, str]:
    """Return the attention module of a network and its kind: "asr(se) folded" is se and ASR."""
    inside = re.fullmatch(r"asr\((.+)\)( folded)?", network, flags=re.IGNORECASE)
    if inside:
        return inside[1].lower(), "ASR"
    return network.lower(), "bare" if network.lower() == "bare" else "attention"


def _millions(parameters: float) -> str:
    return f"{parameters / 1e6:.2f} M" if parameters >= 1e5 else f"{parameters / 1e3:.1f} k"
