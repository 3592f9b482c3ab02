"""Reduce the numbers of the sensitivity study to correlations and calibration."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

#: What is compared with the exact cost, by the column of the study.
PREDICTORS = ("fisher", "first_order", "1-eta2", "median_std", "relative_spread")
#: Gates that cost less than this, in nats, are left out of the calibration.
LEAST = 1e-4
#: Relative standard error of the exact cost, below which it counts as precise.
PRECISE = 0.25

#: A number from a table with a row per gate or set.
Statistic = Callable[[pd.DataFrame], float]


def summary(networks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return correlations, calibration and optimal constants, over all networks and for each.

    A statistic with an interval is a list: value, and the lower and upper end at 95 %.
    """
    gates, sets = table_of(networks, "gates"), table_of(networks, "sets")
    efforts = [name for name in map(str, gates) if name.startswith("fisher_")]
    return {
        "networks": len(networks),
        "gates": len(gates),
        "sets": len(sets),
        "spearman": with_intervals(gates, ranks(PREDICTORS)),
        "spearman_with_agreement": with_intervals(gates, ranks(PREDICTORS, "lost")),
        "spearman_by_effort": with_intervals(gates, ranks(efforts)),
        "spearman_median_over_networks": with_intervals(
            gates, {name: median_over_networks(rank(name)) for name in PREDICTORS}, within=False
        ),
        "spearman_by_network": {
            str(name): _of_network(one) for name, one in gates.groupby("network", sort=False)
        },
        "spearman_of_sets": with_interval(sets, rank("fisher")),
        "spearman_of_sets_with_agreement": with_interval(sets, rank("fisher", "lost")),
        "ratio": calibration(gates),
        "ratio_of_precise": calibration(precise(gates)),
        "ratio_of_sets": calibration(sets),
        "ratio_of_precise_sets": calibration(precise(sets)),
        "recovered": recovered(networks),
    }


def summary_of_others(networks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the same for networks of different tasks, whose costs in nats are not comparable.

    So the ranks are those within each network.
    """
    gates, sets = table_of(networks, "gates"), table_of(networks, "sets")
    return {
        "networks": len(networks),
        "gates": len(gates),
        "sets": len(sets),
        "ranks": with_intervals(gates, {name: rank_within(name) for name in PREDICTORS}),
        "ranks_of_sets": with_interval(sets, rank_within("fisher")),
        "ratio": calibration(gates),
        "ratio_of_precise": calibration(precise(gates)),
        "ratio_of_sets": calibration(sets),
        "recovered": recovered(networks),
    }


def _of_network(gates: pd.DataFrame) -> dict[str, Any]:
    """Return the correlations over the gates of one network, with their intervals."""
    with_agreement = {"fisher_with_agreement": rank("fisher", "lost")}
    return {**with_intervals(gates, ranks(PREDICTORS) | with_agreement), "gates": len(gates)}


def with_interval(table: pd.DataFrame, statistic: Statistic, draws: int = 1000) -> list[float]:
    """Return a statistic and its 95 % bootstrap interval; see `with_intervals`."""
    return with_intervals(table, {"": statistic}, draws)[""]


def with_intervals(
    table: pd.DataFrame,
    statistics: Mapping[str, Statistic],
    draws: int = 1000,
    *,
    within: bool = True,
) -> dict[str, list[float]]:
    """Return statistics and their 95 % bootstrap intervals, from the same samples, seed 0.

    If the table has several networks, each sample draws networks, and then rows of each network if
    `within`. Otherwise it draws rows. The rank correlation of few rows must not be drawn `within`:
    rows that are drawn twice are ties.
    """
    samples = _samples(table, draws, within)
    drawn = np.array([[of(one) for of in statistics.values()] for one in samples])
    found = {}
    for (name, of), values in zip(statistics.items(), drawn.T, strict=True):
        nothing = np.isnan(values).all()
        ends = [math.nan] * 2 if nothing else np.nanquantile(values, [0.025, 0.975])
        found[name] = [of(table), *map(float, ends)]
    return found


def _samples(table: pd.DataFrame, draws: int, within: bool) -> Iterator[pd.DataFrame]:
    rng = np.random.default_rng(0)
    networks = table["network"] if "network" in table else np.zeros(len(table))
    rows = [np.flatnonzero(networks == one) for one in pd.unique(networks)]
    for _ in range(draws):
        chosen = [rows[k] for k in rng.integers(0, len(rows), len(rows))]
        positions = np.concatenate(
            [rng.choice(of_one, len(of_one)) if within else of_one for of_one in chosen]
        )
        # A network that is drawn twice counts as two.
        copies = np.repeat(np.arange(len(chosen)), [len(of_one) for of_one in chosen])
        yield table.iloc[positions].assign(network=copies)


def precise(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose exact cost has a relative standard error below 25 %."""
    return table[table["kl_se"] < PRECISE * table["kl"]]


def calibration(table: pd.DataFrame) -> dict[str, Any]:
    """Return quantiles of estimated over exact cost, and the share between 2/3 and 3/2."""
    kept = table[table["kl"] > LEAST]
    if kept.empty:
        return {"n": 0}
    ratio = kept["fisher"] / kept["kl"]
    quantiles = {f"q{round(100 * q)}": float(ratio.quantile(q)) for q in (0.1, 0.5, 0.9)}
    share, *interval = with_interval(kept.assign(ratio=ratio), _within)
    return {"n": len(kept), **quantiles, "within": share, "within_interval": interval}


def _within(table: pd.DataFrame) -> float:
    return float(table["ratio"].between(2 / 3, 3 / 2).mean())


def recovered(networks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the share of the predictions lost by means that optimal constants recover.

    Networks whose means lose no prediction, or without constants, are left out. The interval of the
    median is over networks.
    """
    shares = {}
    for one in networks:
        kept = {row["constants"]: row["agreement"] for row in one.get("constants", [])}
        if {"mean", "optimal"} <= kept.keys() and kept["mean"] < 1:
            gained = kept["optimal"] - kept["mean"]
            shares[one["network"]] = gained / (1 - kept["mean"])
    table = pd.DataFrame({"network": list(shares), "share": list(shares.values())})
    median = with_interval(table, lambda t: float(t["share"].median())) if shares else []
    return {"networks": len(shares), "median": median, "by_network": shares}


def table_of(networks: Sequence[dict[str, Any]], key: str) -> pd.DataFrame:
    """Return the rows of all networks, of gates or of sets, with the network and the lost share."""
    parts = [pd.DataFrame(one[key]).assign(network=one["network"]) for one in networks]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(lost=1 - table["agreement"])


def rank(name: str, cost: str = "kl") -> Statistic:
    """Return Spearman's correlation of a column with a cost: "kl", or "lost" predictions."""

    def correlation(table: pd.DataFrame) -> float:
        of_both = [rankdata(table[column]) for column in (name, cost)]
        if any(np.ptp(of_column) == 0 for of_column in of_both):
            return math.nan
        return float(np.corrcoef(of_both)[0, 1])

    return correlation


def rank_within(name: str) -> Statistic:
    """Return the correlation of a column with the cost, both as ranks within each network.

    Ranks are divided by their number, so that a network with more gates has no larger ranks.
    """

    def correlation(table: pd.DataFrame) -> float:
        ranks = table.groupby("network")[[name, "kl"]].rank(pct=True)
        if (np.ptp(ranks.to_numpy(), axis=0) == 0).any():
            return math.nan
        return float(np.corrcoef(ranks[name], ranks["kl"])[0, 1])

    return correlation


def ranks(names: Sequence[str], cost: str = "kl") -> dict[str, Statistic]:
    """Return the correlation of each column with a cost."""
    return {name: rank(name, cost) for name in names}


def median_over_networks(statistic: Statistic) -> Statistic:
    """Return the median of a statistic of each network."""

    def median(table: pd.DataFrame) -> float:
        of_each = [statistic(one) for _, one in table.groupby("network", sort=False)]
        finite = [value for value in of_each if not math.isnan(value)]
        return float(np.median(finite)) if finite else math.nan

    return median
