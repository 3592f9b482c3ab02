"""The page of findings: `docs/findings.md`."""

import pandas as pd

from stripe.reproduce.findings import written
from stripe.reproduce.paper.scale import Scale
from stripe.reproduce.report import markdown


def findings_page(
    table: pd.DataFrame, scale: Scale, command: str, own: pd.DataFrame | None = None
) -> str:
    """Return the page, in Markdown.

    Parameters
    ----------
    table
        From `findings`.
    scale
        The scale at which everything on the page was run.
    command
        The command that makes the page.
    own
        As `table`, for claims beyond the paper.
    """
    counted = table["corrected"].value_counts()
    verdicts = ", ".join(f"{verdict} {count}" for verdict, count in counted.items())
    believed = "" if scale.conclusive else "**At this scale no verdict means anything.**\n\n"
    return (
        f"# Findings: the paper's claims at the scale {scale.name}\n\n"
        f"{scale.words[0].upper()}{scale.words[1:]}.\n\n"
        f"{believed}Verdicts on the {len(table)} claims, after correction: {verdicts}.\n\n"
        f"{markdown(written(table))}\n\n{_LEGEND}\n{_missing(table)}\n"
        f"{_beyond(own)}Made by `{command}`.\n"
    )


_LEGEND = """\
- Every claim says that a number is above zero. The interval is Student's 95 % interval of our
  number, over n seeds. A claim **holds here** if the interval is above zero, and **does not hold**
  if it is below zero. Otherwise it is **undecided**; the page then gives the number of seeds that
  would decide it at the same mean and spread.
- "n x m" means n seeds and m contrasts. The contrasts are averaged within each seed before the
  interval is computed. The report of each table or figure has an interval for each contrast.
- Verdicts use the last epoch. The paper prints the best epoch, so the mean of our best epochs
  stands beside our number. The paper's number is the mean over the contrasts that this scale has.
- The verdicts of the last column are corrected for the number of tested claims in this table (Holm,
  at 0.05); p is the corrected two-sided p of Student's test. The repeated trainings differ only in
  their seed, so an interval says nothing about other data or other networks.
"""


def _beyond(own: pd.DataFrame | None) -> str:
    """Return the section on claims beyond the paper."""
    if own is None:
        return ""
    return (
        "## Beyond the paper\n\nThe paper does not make these claims. They are tested in the same "
        f"way, and corrected for their own number.\n\n{markdown(written(own))}\n\n"
    )


def _missing(table: pd.DataFrame) -> str:
    """Name the claims without a result."""
    named = table.loc[table["verdict"] == "missing", "claim"].tolist()
    if not named:
        return ""
    listed = "\n".join(f"- {claim}" for claim in named)
    return f"\nThese claims have no result at this scale:\n\n{listed}\n"
