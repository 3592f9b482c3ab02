"""Reduce the numbers of the sensitivity study to correlations, calibration and a figure."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter
from scipy.stats import spearmanr

from stripe.plots.series import series_styles

#: What is compared with the exact cost, by the column of the study.
PREDICTORS = ("fisher", "first_order", "1-eta2", "median_std", "relative_spread")
#: Gates that cost less than this, in nats, are left out of the calibration.
LEAST = 1e-4


def summary(networks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return correlations and calibration, over all networks and for each."""
    gates, sets = _table(networks, "gates"), _table(networks, "sets")
    efforts = [name for name in map(str, gates) if name.startswith("fisher_")]
    return {
        "networks": len(networks),
        "gates": len(gates),
        "sets": len(sets),
        "spearman": {name: with_interval(gates, _rank(name)) for name in PREDICTORS},
        "spearman_by_effort": {name: with_interval(gates, _rank(name)) for name in efforts},
        "spearman_by_network": {
            str(name): {p: _rank(p)(one) for p in PREDICTORS} | {"gates": len(one)}
            for name, one in gates.groupby("network", sort=False)
        },
        "spearman_of_sets": with_interval(sets, _rank("fisher")),
        "ratio": calibration(gates),
        "ratio_of_sets": calibration(sets),
    }


def with_interval(
    table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], draws: int = 1000
) -> list[float]:
    """Return a statistic and its 95 % bootstrap interval over rows, seed 0."""
    rng = np.random.default_rng(0)
    drawn = [statistic(table.iloc[rng.integers(0, len(table), len(table))]) for _ in range(draws)]
    return [statistic(table), *map(float, np.nanquantile(drawn, [0.025, 0.975]))]


def calibration(table: pd.DataFrame) -> dict[str, float]:
    """Return quantiles of estimated over exact cost, and the share between 2/3 and 3/2."""
    kept = table[table["kl"] > LEAST]
    ratio = kept["fisher"] / kept["kl"]
    quantiles = {f"q{round(100 * q)}": float(ratio.quantile(q)) for q in (0.1, 0.5, 0.9)}
    return {"n": len(kept), **quantiles, "within": float(ratio.between(2 / 3, 3 / 2).mean())}


def draw(networks: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw the exact cost against the estimate and against the relative spread."""
    gates, sets = _table(networks, "gates"), _table(networks, "sets")
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
    panels = [(gates, "fisher"), (sets, "fisher"), (gates, "relative_spread")]
    for ax, (table, column) in zip(axes, panels, strict=True):
        by_network = list(table.groupby("network", sort=False))
        for (name, one), style in zip(by_network, series_styles(len(by_network)), strict=True):
            points = {"linestyle": "", "markersize": 3, "label": str(name), **style}
            ax.loglog(one[column], one["kl"], **points)
        ax.set(
            xlabel=f"{column}, {'gates' if table is gates else 'sets'}", ylabel="exact KL (nats)"
        )
        ax.xaxis.set_minor_formatter(NullFormatter())
        if column == "fisher":
            ends = [table["kl"].min(), table["kl"].max()]
            ax.plot(ends, ends, color="gray", linewidth=0.8)
    axes[-1].legend(fontsize=5, frameon=False)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def _table(networks: Sequence[dict[str, Any]], key: str) -> pd.DataFrame:
    parts = [pd.DataFrame(one[key]).assign(network=one["network"]) for one in networks]
    return pd.concat(parts, ignore_index=True)


def _rank(name: str) -> Callable[[pd.DataFrame], float]:
    def correlation(table: pd.DataFrame) -> float:
        if table[name].nunique() < 2 or table["kl"].nunique() < 2:
            return float("nan")
        return float(spearmanr(table[name], table["kl"]).statistic)

    return correlation
