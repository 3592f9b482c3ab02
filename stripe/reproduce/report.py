"""A reproduced table or figure as text, CSV, Markdown, LaTeX and a picture."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.files import parse_json, read_regular, saving, write_json
from stripe.plots import paper_style, save_figure
from stripe.plots.axes import headed
from stripe.reproduce.published import run_numbers, runs_file
from stripe.reproduce.reproduction import Reproduction
from stripe.reproduce.store.cost import run_seconds
from stripe.train.manifest import checked
from stripe.train.run import CONFIG
from stripe.versions import command_line, library_versions

_MISSING = "missing"
#: Columns that may be empty although no run is missing: one run has no spread.
_OPTIONAL = ("paper", "paper_std", "std", "difference")


def write_reproduction(found: Reproduction, out: Path) -> list[Path]:
    """Write an exhibit and its claim into `out`, as `table8.csv`, `.md`, `.tex`, `.png` and more.

    Returns
    -------
    list[Path]
        The files. If no run is in the store and all numbers are published ones, the JSON, which
        describes how the files were made, is not written again, and neither is a picture that
        needs files of the runs. If no run is finished, the list is empty.
    """
    by_run = run_numbers(found.runs)
    if by_run.empty:
        return []
    name, numbers, claims = found.exhibit.name, found.numbers(), found.claims()
    notes = f"{found.notes}\n\n" if found.notes else ""
    files = [out / f"{name}{end}" for end in (".csv", "-claim.csv", ".md", ".tex")]
    files.append(runs_file(out, name))
    _write(files[0], numbers.to_csv(index=False))
    _write(files[1], claims.to_csv(index=False))
    _write(files[-1], by_run.to_csv(index=False))
    _write(
        files[2],
        f"{found.heading}.\n\n{markdown(rounded(numbers))}\n\n{legend(found)}\n\n{notes}"
        f"{claim_text(found)}\n\n{markdown(rounded(claims))}\n",
    )
    caption = re.sub(r"([#$%&_])", r"\\\1", found.heading)  # pandas does not escape captions
    _write(files[3], rounded(numbers).to_latex(index=False, caption=caption, escape=True))
    with paper_style():
        ax = found.exhibit.kind.draw(found)
        if ax is not None:
            headed(ax, *found.headings)
            files.append(out / f"{name}.png")
            save_figure(ax, files[-1])
    if not found.finished_cells():
        return files
    runs = {cell.label: [str(run.config.out) for run in runs] for cell, runs in found.runs.items()}
    spent = [run_seconds(run) for run in found.needed if run.state == "finished"]
    made = {
        "heading": found.heading,
        "notes": found.notes,
        "command": command_line(),
        "versions": library_versions(),
        "made_on": _made_on(found),
        "hours": round(sum(second for second in spent if second is not None) / 3600, 3),
    }
    metrics = dict(found.exhibit.kind.metrics)
    files.append(out / f"{name}.json")
    write_json(files[-1], {**made, "metrics": metrics, "runs": runs})
    return files


def _made_on(found: Reproduction) -> list[dict[str, Any]]:
    """Return the commits and machines that made the runs in the store, each once."""
    configs = [run.config.out / CONFIG for run in found.needed if run.state == "finished"]
    made = [
        parse_json(read_regular(checked(file))).get("made_on") for file in configs if file.exists()
    ]
    return [one for number, one in enumerate(made) if one and one not in made[:number]]


def _write(file: Path, text: str) -> None:
    with saving(file) as draft:
        draft.write_text(text)


def claim_text(found: Reproduction) -> str:
    """Describe the paper's claim, and count the contrasts that hold."""
    claims = found.claims()
    if claims.empty:
        return f"Claim: {found.exhibit.claim} This scale has nothing to test it with."
    holds = claims["holds"].value_counts()
    counted = ", ".join(f"{count} {verdict}" for verdict, count in holds.items())
    printed = len(found.exhibit.contrasts)
    tested = f"{len(claims)} contrasts"
    if len(claims) < printed:
        tested += f", the paper's other {printed - len(claims)} having no runs of their own here"
    believed = "" if found.scale.conclusive else " At this scale no verdict means anything."
    return (
        f"Claim: {found.exhibit.claim} {tested}: {counted} (paired over seeds, each at 95 %, "
        f"without correction for their number; accuracies in percentage points).{believed}"
    )


def legend(found: Reproduction) -> str:
    """Describe the numbers."""
    kind = found.exhibit.kind
    metrics = [f"{metric}: {words}." for metric, words in kind.metrics.items()]
    said = [*metrics, "std: over seeds, of n - 1."]
    if kind.printed != kind.columns[0] and any(cell.paper for cell in found.runs):
        said.append(
            f"difference: {kind.printed} minus the paper's number, which is that of the "
            f"{kind.printed} epoch; verdicts are on the {kind.columns[0]} epoch."
        )
    return " ".join(said)


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as text, with two decimals and the word missing for missing numbers."""
    numbers = table.select_dtypes("float").columns
    written = {name: [_written(name, value) for value in table[name]] for name in numbers}
    return table.assign(**written)


def _written(column: str, value: float) -> str:
    if math.isnan(value):
        return "" if column in _OPTIONAL else _MISSING
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown."""

    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(map(str, cells)) + " |"

    lines = [line(list(table.columns)), line(["---"] * len(table.columns))]
    return "\n".join([*lines, *(line(row) for row in table.itertuples(index=False))])
