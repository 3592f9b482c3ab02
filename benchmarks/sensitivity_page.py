"""The page "Predict the cost of freezing a gate": tables and picture of the sensitivity study."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter

from benchmarks.sensitivity_summary import LEAST, PREDICTORS, median_over_networks, rank, table_of
from stripe.plots.axes import lettered
from stripe.plots.series import series_styles
from stripe.reproduce.report import markdown

#: Names of predictors on the page.
SAID = {"fisher": "`fisher` (the estimate)", "first_order": "`first_order`",
        "median_std": "median std", "relative_spread": "relative spread",
        "1-eta2": "1 - `eta2`"}  # fmt: skip
#: Names of attention modules and networks on the page.
TITLES = {"resnet": "ResNet", "timm": "timm's", "tv": "torchvision's", "srm": "SRM", "dia": "DIA"}
_BEGIN, _END = "<!-- {0}: written by a benchmark -->", "<!-- end of {0} -->"


def write_tables(tables: Mapping[str, str], page: Path) -> None:
    """Write the tables of the page into their places; the text around them stays."""
    text = page.read_text()
    for name, table in tables.items():
        begin, end = _BEGIN.format(name), _END.format(name)
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        new = f"{begin}\n{table}\n{end}".replace("\\", r"\\")
        text, found = pattern.subn(new, text)
        if not found:
            raise ValueError(f"{page} needs the lines {begin!r} and {end!r}")
    page.write_text(text)


def tables(networks: Sequence[dict[str, Any]], numbers: dict[str, Any]) -> dict[str, str]:
    """Return the tables of the page in Markdown, by name."""
    return {
        "ranks": _ranks(numbers),
        "ratios": _ratios(numbers),
        "effort": _effort(numbers),
        "networks": _networks(networks),
        "failures": _failures(networks),
        "constants": _constants(networks),
    }


def tables_of_others(networks: Sequence[dict[str, Any]], numbers: dict[str, Any]) -> dict[str, str]:
    """Return the tables of networks that others trained."""
    return {"wild": _wild(networks), "wild-ranks": _wild_ranks(numbers)}


def title(network: str) -> str:
    """Return the name of a kind of network: "SE-ResNet20" of "resnet20-se-0"."""
    backbone, attention = re.split(r"-(?=own-|[a-z]+-\d)", network, maxsplit=1)
    source, _, rest = backbone.partition("-")
    if rest:
        return f"{TITLES[source]} {rest}"
    return f"{attention.split('-')[0].upper()}-{backbone.replace('resnet', 'ResNet')}"


def _ranks(numbers: dict[str, Any]) -> str:
    columns = ("spearman", "spearman_median_over_networks", "spearman_with_agreement")
    rows = (
        [SAID[name], *(_interval(numbers[column][name]) for column in columns)]
        for name in PREDICTORS
    )
    head = ["predictor", "pooled", "median over networks", "pooled, with lost predictions"]
    return _markdown(head, rows)


def _ratios(numbers: dict[str, Any]) -> str:
    kinds = {
        "gates": numbers["ratio"],
        "gates with a precise exact cost": numbers["ratio_of_precise"],
        "sets": numbers["ratio_of_sets"],
        "sets with a precise exact cost": numbers["ratio_of_precise_sets"],
    }
    rows = []
    for kind, one in kinds.items():
        spread = f"{one['q10']:.2f} to {one['q90']:.2f}"
        low, high = one["within_interval"]
        within = f"{100 * one['within']:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        rows.append([kind, str(one["n"]), f"{one['q50']:.2f}", spread, within])
    return _markdown(["of", "n", "median", "tenth to ninetieth percentile", "2/3 to 3/2"], rows)


def _effort(numbers: dict[str, Any]) -> str:
    rows = []
    for name, found in numbers["spearman_by_effort"].items():
        _, draws, images = name.split("_")
        rows.append([draws, images, _interval(found)])
    return _markdown(["draws", "images", "pooled correlation"], rows)


def _networks(networks: Sequence[dict[str, Any]]) -> str:
    gates = table_of(networks, "gates")
    gates = gates.assign(title=gates["network"].map(title))
    accuracy = {one["network"]: 100 * one["accuracy"] for one in networks}
    rows = []
    for name, of_title in gates.groupby("title", sort=False):
        reached = [accuracy[one] for one in of_title["network"].unique()]
        costly = of_title[of_title["kl"] > LEAST]
        ratio = f"{(costly['fisher'] / costly['kl']).median():.2f}" if len(costly) else ""
        columns = ("fisher", "first_order", "relative_spread", "1-eta2")
        ranks = [f"{median_over_networks(rank(column))(of_title):.2f}" for column in columns]
        rows.append([str(name), str(len(reached)), str(len(of_title)), _range(reached, "{:.1f}"),
                     _range(of_title["kl"], "{:.0e}"), *ranks, ratio])  # fmt: skip
    head = ["network", "trained", "gates", "accuracy (%)", "exact cost (nats)", "`fisher`",
            "`first_order`", "relative spread", "1 - `eta2`", "median ratio"]  # fmt: skip
    return _markdown(head, rows)


def _failures(networks: Sequence[dict[str, Any]], count: int = 8) -> str:
    gates = table_of(networks, "gates").query(f"kl > {LEAST}")
    gates = gates.assign(ratio=gates["fisher"] / gates["kl"])
    gates = gates.loc[np.log(gates["ratio"]).abs().sort_values(ascending=False).index[:count]]
    rows = (
        [title(row.network), f"`{row.gate}`", f"{row.kl:.1e}", f"{100 * row.kl_se / row.kl:.0f} %",
         f"{row.ratio:.2f}", f"{row.relative_spread:.2f}"]
        for row in gates.itertuples()
    )  # fmt: skip
    head = ["network", "gate", "exact cost", "its standard error", "ratio", "relative spread"]
    return _markdown(head, rows)


def _constants(networks: Sequence[dict[str, Any]]) -> str:
    rows = []
    for one in networks:
        by_kind = {row["constants"]: row for row in one["constants"]}
        mean, optimal = by_kind["mean"], by_kind["optimal"]
        lost, gained = 1 - mean["agreement"], optimal["agreement"] - mean["agreement"]
        kept = [
            f"{100 * row['agreement']:.1f} ({100 * row['agreement_low']:.1f} to "
            f"{100 * row['agreement_high']:.1f})"
            for row in (mean, optimal)
        ]
        recovered = f"{100 * gained / lost:.0f} %" if lost else ""
        rows.append([title(one["network"]), *kept, recovered, f"{mean['kl']:.2g}",
                     f"{optimal['kl'] / mean['kl']:.2f}"])  # fmt: skip
    head = ["network", "kept with means (%)", "kept with optimal constants (%)", "recovered",
            "KL of means (nats)", "KL, optimal over means"]  # fmt: skip
    return _markdown(head, sorted(rows))


def _wild(networks: Sequence[dict[str, Any]]) -> str:
    rows = []
    for one in networks:
        gates = table_of([one], "gates")
        costly = gates[gates["kl"] > LEAST]
        ratio = costly["fisher"] / costly["kl"]
        by_kind = {row["constants"]: 100 * row["agreement"] for row in one["constants"]}
        columns = ("fisher", "first_order", "relative_spread", "1-eta2")
        ranks = [f"{rank(column)(gates):.2f}" for column in columns]
        rows.append([one["network"], str(len(gates)), _range(gates["kl"], "{:.0e}"), *ranks,
                     f"{ratio.median():.2f} ({ratio.min():.2f} to {ratio.max():.2f})",
                     *(f"{by_kind[kind]:.1f}" for kind in ("mean", "optimal"))])  # fmt: skip
    head = ["network", "gates", "exact cost (nats)", "`fisher`", "`first_order`",
            "relative spread", "1 - `eta2`", "median ratio (range)", "kept with means (%)",
            "with optimal constants (%)"]  # fmt: skip
    return _markdown(head, rows)


def _wild_ranks(numbers: dict[str, Any]) -> str:
    rows = ([SAID[name], _interval(numbers["ranks"][name])] for name in PREDICTORS)
    return _markdown(["predictor", "correlation of ranks within a network"], rows)


def _interval(found: Sequence[float]) -> str:
    value, low, high = found
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _range(values: Iterable[float], form: str) -> str:
    ends = [form.format(end(list(values))) for end in (min, max)]
    return " to ".join(dict.fromkeys(ends))


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return markdown(pd.DataFrame(list(rows), columns=list(head)))


def draw(networks: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw the exact cost against the estimate and against the relative spread."""
    gates, sets = table_of(networks, "gates"), table_of(networks, "sets")
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.9), layout="constrained", sharey=True)
    panels = [(gates, "fisher", "estimate (nats)"), (sets, "fisher", "estimate (nats)"),
              (gates, "relative_spread", "relative spread")]  # fmt: skip
    titles = lettered(["gates", "sets of gates", "gates"])
    for ax, (table, column, label), heading in zip(axes, panels, titles, strict=True):
        _scatter(ax, table, column)
        ax.set(title=heading, xlabel=label)
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("exact KL divergence (nats)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def _scatter(ax: Any, table: pd.DataFrame, column: str) -> None:
    groups = list(table.assign(title=table["network"].map(title)).groupby("title"))
    for (name, one), style in zip(groups, series_styles(len(groups)), strict=True):
        points = {"linestyle": "", "markersize": 3, "label": str(name), **style}
        ax.loglog(one[column], one["kl"], **points)
    if column == "fisher":
        ends = [table["kl"].min(), table["kl"].max()]
        ax.plot(ends, ends, color="gray", linewidth=0.8)
