"""The page of findings: `docs/findings.md`."""

import pandas as pd

from stripe.reproduce.findings import limit_of, written
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.report import markdown


def findings_page(table: pd.DataFrame, scale: Scale, command: str) -> str:
    """Return the page, in Markdown.

    Parameters
    ----------
    table
        Table from `findings`.
    scale
        The scale of all runs on the page.
    command
        The command that makes the page.
    """
    papers, own = (table[table["own"] == of_own] for of_own in (False, True))
    believed = "" if scale.conclusive else "**At this scale no verdict means anything.**\n\n"
    return (
        f"# Findings: the paper's claims at the scale {scale.name}\n\n"
        f"{scale.words[0].upper()}{scale.words[1:]}.\n\n"
        f"{believed}{_counted(table, papers)}\n\n"
        f"{markdown(written(papers, scale.limits))}\n\n{_LEGEND}\n{_missing(papers)}"
        f"{_beyond(own, scale)}{_limits(table, scale)}Made by `{command}`.\n"
    )


_LEGEND = """\
- Every claim says that a number is above zero. The interval is Student's 95 % interval of our
  number, over n seeds. By the **uncorrected verdict**, a claim **holds here** if the interval is
  above zero, and **does not hold** if it is below zero. Otherwise it is **undecided**.
- The last column has the verdict after Holm's correction for all tested claims of the page. It is
  the same verdict if the corrected two-sided p of Student's test is below 0.05, and otherwise
  **undecided**, although the interval may exclude zero. "14 seeds" is the number of seeds with
  which the corrected test would decide the claim with a probability of 80 %, if the true mean and
  spread are those measured. "Limited" means that a section below says what the test cannot show.
- "n x m" means n seeds and m contrasts. The contrasts are averaged within each seed before the
  interval is computed. "3 of 5" means that 3 of 5 planned seeds are finished: the verdict is an
  interim one. The report of each table or figure has an interval for each contrast.
- Verdicts use the last epoch. The paper appears to print the best epoch, so the mean of our best
  epochs stands beside our number. The paper's number is the mean over its contrasts that this scale
  has. A seed is a training, for accuracies, and a repetition on one machine, for speeds. An
  interval therefore says nothing about other data, other networks or other machines.
"""


def _counted(table: pd.DataFrame, papers: pd.DataFrame) -> str:
    """Count the verdicts on the paper's claims, and give the p-value that the correction needs."""
    counted = papers["corrected"].value_counts()
    verdicts = ", ".join(f"{verdict} {count}" for verdict, count in counted.items())
    open_ = papers[papers["corrected"] == "undecided"]
    apart = int((open_["verdict"] != "undecided").sum())
    tests, tested = (int(one["p"].notna().sum()) for one in (table, papers))
    return (
        f"Verdicts on the paper's {len(papers)} claims, after correction: {verdicts}. Of the "
        f"undecided claims, {apart} have an uncorrected interval that excludes zero. The "
        f"correction is for {tests} tests: {tested} of the paper's claims, and {tests - tested} "
        f"claims of our own. The smallest p must therefore be below {0.05 / max(1, tests):.1g}. "
        "Few claims with three seeds can reach that."
    )


def _beyond(own: pd.DataFrame, scale: Scale) -> str:
    """Return the section on claims beyond the paper."""
    if own.empty:
        return ""
    return (
        "## Beyond the paper\n\nThe paper does not make these claims. They are tested in the same "
        f"way, and corrected together with the others.\n\n{markdown(written(own, scale.limits))}"
        "\n\n"
    )


def _missing(table: pd.DataFrame) -> str:
    """Name the claims without a result."""
    missing = table[table["verdict"] == "missing"]
    named = [
        f"- {claim}" + (f" ({finished} of {contrasts} contrasts are finished)" if finished else "")
        for claim, finished, contrasts in zip(
            missing["claim"], missing["finished"], missing["contrasts"], strict=True
        )
    ]
    if not named:
        return ""
    return "These claims have no result at this scale:\n\n" + "\n".join(named) + "\n\n"


def _limits(table: pd.DataFrame, scale: Scale) -> str:
    """Return the section on what the tests of claims with a result cannot show."""
    limits = scale.limits
    known = {limit_of(claim, limits) for claim in table.loc[table["p"].notna(), "claim"]}
    listed = [f"- **{words}**: {limit}." for words, limit in limits.items() if limit in known]
    if not listed:
        return ""
    return "## What these tests cannot show\n\n" + "\n".join(listed) + "\n\n"
