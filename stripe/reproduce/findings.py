"""One verdict per claim of the paper, corrected for their number."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from stripe.reproduce.paper.claims import CLAIMS, PaperClaim
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
    def trained(self) -> set[str]:
        return {self.found.stand_ins[cell] for one in self.tested for cell in one.cells}


def findings(
    reproduced: Callable[[str], Reproduction], claims: Sequence[PaperClaim] = CLAIMS
) -> pd.DataFrame:
    """Return one row per claim of the paper.

    Parameters
    ----------
    reproduced
        Function from the name of an exhibit to the exhibit with its runs at the scale.
    claims
        The claims.

    Returns
    -------
    DataFrame
        claim; number, the quantity that the claim says is above zero; exhibits; paper, the mean of
        its numbers for the contrasts that this scale has, or for all if it has none of them; ours,
        the mean over contrasts and seeds (of the last epoch, for trainings); low and high, the 95 %
        interval over seeds; best, as ours for the best epochs; contrasts, their number; n, the
        number of seeds that all contrasts have; trained, the networks and data; verdict, "holds
        here" if the interval is above zero, "does not hold" if it is below, or else "undecided",
        "one seed" or "missing"; p, two-sided, of Student's test; holm, p corrected for all rows;
        corrected, the verdict by the corrected p; seeds, the number that would decide an undecided
        claim at the same mean and spread. Missing values are NaN or "".

    Notes
    -----
    A mean over contrasts may hide that some contrasts hold and others do not. The reports have each
    contrast. The contrasts of a claim share seeds, so they are averaged within each seed first.
    """
    rows = [_row(claim, [reproduced(name) for name in claim.parts]) for claim in claims]
    table = pd.DataFrame(rows)
    table["holm"] = holm(table["p"].tolist())
    corrected = [
        verdict if math.isnan(p) else verdict if p < 1 - CONFIDENCE else "undecided"
        for verdict, p in zip(table["verdict"], table["holm"], strict=True)
    ]
    return table.assign(corrected=corrected)


def _row(claim: PaperClaim, found: Sequence[Reproduction]) -> dict[str, object]:
    evidence = [_evidence(claim, one) for one in found]
    tested = [test for one in evidence for test in one.tested]
    values = _by_seed(tested)
    of_student = interval(values)
    best = _by_seed([test for one in evidence for test in one.best])
    verdict = str(of_student["holds"])
    papers = [test.paper for test in tested] or [
        one.printed(contrast)
        for one in found
        for contrast in one.exhibit.contrasts
        if claim.tests(contrast)
    ]
    return {
        "claim": claim.words,
        "number": claim.number,
        "exhibits": ", ".join(claim.parts),
        "paper": fmean(papers) if papers else np.nan,
        "ours": of_student["mean"],
        **{edge: of_student[edge] for edge in ("low", "high")},
        "best": fmean(best) if best else np.nan,
        "contrasts": len(tested),
        "n": of_student["n"],
        "trained": ", ".join(sorted(set().union(*(one.trained for one in evidence)))),
        "verdict": _VERDICTS.get(verdict, verdict),
        "p": p_value(values),
        "seeds": (seeds_to_decide(values) if verdict == "undecided" else None) or np.nan,
    }


def _evidence(claim: PaperClaim, found: Reproduction) -> _Evidence:
    """Return the contrasts of an exhibit that take part; the best epochs of trainings alone."""
    tested = [one for one in found.tested() if claim.tests(one.contrast)]
    best: list[Tested] = []
    if found.exhibit.kind.printed != found.exhibit.kind.columns[0]:
        printed = found.tested(found.exhibit.kind.printed)
        best = [one for one in printed if claim.tests(one.contrast)]
    return _Evidence(found, tested, best)


def _by_seed(tested: Sequence[Tested]) -> list[float]:
    """Return the means over contrasts, of each seed that all of them have."""
    if not tested:
        return []
    seeds = set.intersection(*(set(one.by_seed) for one in tested))
    return [fmean(one.by_seed[seed] for one in tested) for seed in sorted(seeds)]


def written(table: pd.DataFrame) -> pd.DataFrame:
    """Return findings with the column headings of the page."""
    return pd.DataFrame([
        {
            "claim": f"{row['claim']} ({row['exhibits'] or 'no exhibit'})",
            "number": row["number"],
            "paper": _number(row["paper"]) or "no number",
            "ours": _number(row["ours"]) or "missing",
            "interval": _interval(row["low"], row["high"]),
            "best": _number(row["best"]),
            "n": f"{row['n']} x {row['contrasts']}" if row["contrasts"] > 1 else f"{row['n']}",
            "trained": row["trained"],
            "verdict": row["verdict"] + _would_decide(row),
            "corrected": row["corrected"] + _corrected_p(row["holm"]),
        }
        for row in table.to_dict("records")
    ]).rename(columns=_COLUMNS)  # fmt: skip


def _would_decide(row: Mapping[Any, Any]) -> str:
    if row["verdict"] != "undecided":
        return ""
    more = f" (over {MOST_SEEDS} seeds)"
    return more if math.isnan(row["seeds"]) else f" ({row['seeds']:.0f} seeds)"


def _corrected_p(p: float) -> str:
    if math.isnan(p):
        return ""
    return " (p < 0.001)" if p < 0.001 else f" (p = {p:.2g})"


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.2f}" if abs(value) >= 0.1 else f"{value:+.2g}"
