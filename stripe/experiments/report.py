"""A reproduced table as text, CSV, Markdown, LaTeX and a picture."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from stripe.experiments.reproduce import Reproduction
from stripe.plots import paper_style, reproduction, save_figure
from stripe.versions import command_line, library_versions

_MISSING = "missing"


def write_report(found: Reproduction, out: Path) -> list[Path]:
    """Write a table and its claim into `out`, as `table8.csv`, `.md`, `.tex`, `.png` and more.

    Returns
    -------
    list[Path]
        The files. The JSON says what made the others.
    """
    out.mkdir(parents=True, exist_ok=True)
    numbers, claims = found.numbers(), found.claims()
    files = [out / f"{found.table.name}{end}" for end in (".csv", "-claim.csv", ".md", ".tex")]
    numbers.to_csv(files[0], index=False)
    claims.to_csv(files[1], index=False)
    files[2].write_text(
        f"{found.heading}.\n\n{_markdown(shown(numbers))}\n\n{claim_text(found)}\n\n"
        f"{_markdown(shown(claims))}\n"
    )
    files[3].write_text(shown(numbers).to_latex(index=False, caption=found.heading, escape=True))
    with paper_style():
        files.append(out / f"{found.table.name}.png")
        top1 = numbers[numbers["metric"] == "top1"]
        save_figure(reproduction(top1, heading=found.heading), files[-1])
    runs = {cell.label: [str(run.config.out) for run in runs] for cell, runs in found.runs.items()}
    made = {"heading": found.heading, "command": command_line(), "versions": library_versions()}
    files.append(out / f"{found.table.name}.json")
    files[-1].write_text(json.dumps({**made, "runs": runs}, indent=1) + "\n")
    return files


def claim_text(found: Reproduction) -> str:
    """Say what the paper claims, and how many of its contrasts hold."""
    holds = found.claims()["holds"].value_counts()
    counted = ", ".join(f"{count} {verdict}" for verdict, count in holds.items())
    return (
        f"Claim: {found.table.claim} Of {holds.sum()} contrasts: {counted} (percentage points, "
        "paired over seeds, 95 % interval)."
    )


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as people read it: two decimals, and what is not there is called missing."""
    numbers = table.select_dtypes("float").columns
    written = {
        name: table[name].map(lambda v: _MISSING if pd.isna(v) else f"{v:.2f}") for name in numbers
    }
    return table.assign(**written)


def _markdown(table: pd.DataFrame) -> str:
    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(map(str, cells)) + " |"

    lines = [line(list(table.columns)), line(["---"] * len(table.columns))]
    return "\n".join([*lines, *(line(row) for row in table.itertuples(index=False))])
