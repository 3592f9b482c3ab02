"""One verdict per claim, corrected for their number."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from stripe.reproduce.paper.claims import CLAIMS, Claim
from stripe.reproduce.reproduction import Reproduction, Tested
from stripe.reproduce.verdict import (
    CONFIDENCE,
    MOST_SEEDS,
    holm,
    interval,
    p_value,
    seeds_to_decide,
)

#: Verdicts by the words of an interval.
_VERDICTS = {"yes": "holds here", "no": "does not hold", "undecided": "undecided"}
_COLUMNS = {
    "claim": "claim",
    "number": "number above zero",
    "paper": "paper",
    "ours": "ours (last epoch)",
    "interval": "95 % interval",
    "best": "best epoch",
    "n": "n",
    "trained": "on",
    "verdict": "uncorrected verdict",
    "corrected": "verdict after Holm",
}


@dataclass(frozen=True)
class _Evidence:
    """The contrasts of one reproduction that test a claim."""

    found: Reproduction
    tested: Sequence[Tested]
    best: Sequence[Tested]

    @property
    def planned(self) -> list[int]:
        """The number of seeds of each cell, finished or not."""
        return [len(self.found.runs[cell]) for one in self.tested for cell in one.cells]

    @property
    def trained(self) -> set[str]:
        return {self.found.stand_ins[cell] for one in self.tested for cell in one.cells}


def findings(
    reproduced: Callable[[str], Reproduction], claims: Sequence[Claim] = CLAIMS
) -> pd.DataFrame:
    """Return one row per claim.

    Parameters
    ----------
    reproduced
        Function from the name of an exhibit to the exhibit with its runs at the scale.
    claims
        The claims.

    Returns
    -------
    DataFrame
        claim; own, whether it is beyond the paper; number, the quantity that the claim says is
        above zero; exhibits; paper, the mean of its numbers for the contrasts that this scale has,
        or for all if it has none of them; ours, the mean over contrasts and seeds (of the last
        epoch, for trainings); low and high, the 95 % interval over seeds; best, as ours for the
        best epochs; contrasts, their number; finished, the number of them with a result; n, the
        number of seeds that all contrasts have, and planned, the number that they will have;
        trained, the networks and data; verdict, "holds here" if the interval is above zero, "does
        not hold" if it is below, or else "undecided", "one seed" or "missing"; p, two-sided, of
        Student's test; holm, p corrected for all rows; corrected, the verdict by the corrected p;
        seeds, the number with which the corrected test would decide an undecided claim, from
        `seeds_to_decide`. Missing values are NaN or "".

    Notes
    -----
    A mean over contrasts may hide that some contrasts hold and others do not. The reports have each
    contrast. The contrasts of a claim share seeds, so they are averaged within each seed first.
    """
    evidence = [[_evidence(claim, reproduced(name)) for name in claim.parts] for claim in claims]
    values = [_by_seed([test for one in of_claim for test in one.tested]) for of_claim in evidence]
    table = pd.DataFrame(map(_row, claims, evidence, values))
    table["holm"] = holm(table["p"].tolist())
    table["corrected"] = [
        verdict if math.isnan(p) or p < 1 - CONFIDENCE else "undecided"
        for verdict, p in zip(table["verdict"], table["holm"], strict=True)
    ]
    tests = int(table["p"].notna().sum())
    table["seeds"] = [
        (verdict == "undecided" and seeds_to_decide(of_claim, tests)) or np.nan
        for verdict, of_claim in zip(table["corrected"], values, strict=True)
    ]
    return table


def _row(claim: Claim, evidence: Sequence[_Evidence], values: Sequence[float]) -> dict[str, object]:
    tested = [test for one in evidence for test in one.tested]
    of_student = interval(values)
    best = _by_seed([test for one in evidence for test in one.best])
    verdict = str(of_student["holds"])
    papers = [test.paper for test in tested] or [
        one.found.printed(contrast)
        for one in evidence
        for contrast in one.found.exhibit.contrasts
        if claim.tests(contrast)
    ]
    return {
        "claim": claim.words,
        "own": claim.own,
        "number": claim.number,
        "exhibits": ", ".join(claim.parts),
        "paper": fmean(papers) if papers else np.nan,
        "ours": of_student["mean"],
        **{edge: of_student[edge] for edge in ("low", "high")},
        "best": fmean(best) if best else np.nan,
        "contrasts": len(tested),
        "finished": sum(bool(test.by_seed) for test in tested),
        "n": of_student["n"],
        "planned": min((seeds for one in evidence for seeds in one.planned), default=0),
        "trained": ", ".join(sorted(set().union(*(one.trained for one in evidence)))),
        "verdict": _VERDICTS.get(verdict, verdict),
        "p": p_value(values),
    }


def _evidence(claim: Claim, found: Reproduction) -> _Evidence:
    """Return the contrasts of an exhibit that test a claim. Only training runs have best epochs."""
    tested = [one for one in found.tested() if claim.tests(one.contrast)]
    best: list[Tested] = []
    if found.exhibit.kind.printed != found.exhibit.kind.columns[0]:
        printed = found.tested(found.exhibit.kind.printed)
        best = [one for one in printed if claim.tests(one.contrast)]
    return _Evidence(found, tested, best)


def _by_seed(tested: Sequence[Tested]) -> list[float]:
    """Return the mean over contrasts for each seed that all contrasts have."""
    if not tested:
        return []
    seeds = set.intersection(*(set(one.by_seed) for one in tested))
    return [fmean(one.by_seed[seed] for one in tested) for seed in sorted(seeds)]


def written(table: pd.DataFrame, limits: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return findings with the column headings of the page.

    Parameters
    ----------
    table
        Table from `findings`.
    limits
        As `Scale.limits`. The verdict of a claim with a limit is marked as limited.
    """
    return pd.DataFrame([
        {
            "claim": f"{row['claim']} ({row['exhibits'] or 'no exhibit'})",
            "number": row["number"],
            "paper": _number(row["paper"]) or "no number",
            "ours": _number(row["ours"]) or "missing",
            "interval": _interval(row["low"], row["high"]),
            "best": _number(row["best"]),
            "n": _counts(row),
            "trained": row["trained"],
            "verdict": row["verdict"],
            "corrected": row["corrected"] + _remarks(row, limits or {}),
        }
        for row in table.to_dict("records")
    ]).rename(columns=_COLUMNS)  # fmt: skip


def limit_of(claim: str, limits: Mapping[str, str]) -> str | None:
    """Return what the test of a claim cannot show, if a limit is known."""
    return next((limit for words, limit in limits.items() if claim.startswith(words)), None)


def _counts(row: Mapping[Any, Any]) -> str:
    seeds = f"{row['n']} of {row['planned']}" if row["n"] < row["planned"] else f"{row['n']}"
    return f"{seeds} x {row['contrasts']}" if row["contrasts"] > 1 else seeds


def _remarks(row: Mapping[Any, Any], limits: Mapping[str, str]) -> str:
    """Return the corrected p, the seeds that would decide the claim, and whether it has a limit."""
    remarks, p = [], row["holm"]
    if not math.isnan(p):
        remarks.append("p < 0.001" if p < 0.001 else f"p = {p:.2g}")
        if row["corrected"] == "undecided":
            seeds = f"over {MOST_SEEDS}" if math.isnan(row["seeds"]) else f"{row['seeds']:.0f}"
            remarks.append(f"{seeds} seeds")
        if limit_of(row["claim"], limits):
            remarks.append("limited")
    return f" ({'; '.join(remarks)})" if remarks else ""


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.2f}" if abs(value) >= 0.1 else f"{value:+.2g}"
