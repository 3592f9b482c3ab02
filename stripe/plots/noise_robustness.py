"""The accuracy, or the agreement, of networks under noise (Table 8)."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new, legend_above
from stripe.plots.choose import with_columns
from stripe.plots.literal import literal
from stripe.plots.series import said_of_bars, series_styles
from stripe.typed import typed

#: Spread of the networks of a noise, as a share of the distance between noises.
_DODGE = 0.6

_LABELS = {"accuracy": "accuracy (%)", "agreement": "agreement with no noise (%)"}


@typed
def noise_robustness(
    data: pd.DataFrame,
    *,
    measure: Literal["accuracy", "agreement"] = "accuracy",
    heading: str = "",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the accuracy of each network, or its agreement, under each noise.

    Parameters
    ----------
    data
        One row per network, noise and run: network, noise (its specification, or "none") and the
        measure (0 to 1), for example the table of `stripe.robustness.attack` with a column network.
        The error bars are over runs that differ only in their seed.
    measure
        "accuracy", or "agreement" with the predictions without noise.
    heading
        Text above the picture, such as the name of the run. Default: none.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to each call of `Axes.errorbar`.

    Returns
    -------
    Axes
        `ax`. For each noise, in the order of the table, it shows the mean over runs of each
        network. If there are several runs, a bar shows their standard deviation (with n - 1 degrees
        of freedom).

    Raises
    ------
    StripeError
        If there is no such measure, or the table lacks a column, has no rows, or has texts instead
        of numbers.

    Notes
    -----
    A standard deviation over three runs is a rough estimate. Overlapping bars do not show that
    networks are equal, and separate bars do not prove a difference.

    References
    ----------
    Table 8.

    Examples
    --------
    >>> table = stripe.robustness.attack(model, loader, ["random:0.3,0.3"], seeds=[0, 1])
    >>> ax = stripe.plots.noise_robustness(table.assign(network="SE"))
    """
    if measure not in _LABELS:
        raise StripeError(f"a measure is one of {', '.join(_LABELS)}, got {measure!r}")
    data = with_columns(
        data,
        ["network", "noise", measure],
        names=["network", "noise"],
        of="stripe.robustness.attack, with the column network",
    )
    noises = list(dict.fromkeys(data["noise"]))
    networks = list(dict.fromkeys(data["network"]))
    ax = axes_or_new(ax, height=2.2)
    shifts = np.linspace(-0.5, 0.5, len(networks)) * _DODGE if len(networks) > 1 else [0.0]
    for network, series, shift in zip(networks, series_styles(len(networks)), shifts, strict=True):
        runs = data[data["network"] == network].groupby("noise", sort=False)[measure]
        of_noise = runs.agg(["mean", "std"]).reindex(noises)
        style = {
            **series,
            "linestyle": "",
            "markersize": 3,
            "elinewidth": 0.9,
            "capsize": 2,
        }
        ax.errorbar(
            np.arange(len(noises)) + shift,
            100 * of_noise["mean"].to_numpy(dtype=float),
            yerr=100 * of_noise["std"].fillna(0).to_numpy(dtype=float),
            **{"label": network, **style, **kwargs},
        )
    names = [str(noise).replace(":", "\n", 1) for noise in noises]
    ax.set_xticks(range(len(noises)), names)
    if len(noises) > 5:
        ax.tick_params(axis="x", rotation=60)
    runs = data.groupby(["network", "noise"], sort=False).size()
    bars = f"\n{said_of_bars(runs)}" if runs.max() > 1 else ""
    ax.set(ylabel=_LABELS[measure], xlabel=f"noise{bars}")
    for between in np.arange(0.5, len(noises) - 1):
        ax.axvline(between, color="0.9", linewidth=0.6, zorder=0)
    legend_above(ax, heading=literal(heading))
    return ax
