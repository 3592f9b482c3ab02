"""`stripe findings`: print a verdict on each claim of the paper."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

from stripe.cli.app import Json, app, print_table
from stripe.cli.reproduce import Target, reports_of, reproductions

if TYPE_CHECKING:
    from stripe.reproduce.reproduction import Reproduction


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TargetAtDesk(Target):
    """The target of a page of findings, which is about the scale `desk` by default."""

    scale: str = "desk"


_DESK = TargetAtDesk()


@app.command
def findings(
    *,
    target: TargetAtDesk = _DESK,
    reports: Path | None = None,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Print a verdict on each claim of the paper, from finished runs and published numbers.

    Parameters
    ----------
    reports
        Folder of reports, with published numbers for runs that are not in the store. Default:
        figures/reproduce/SCALE.
    out
        Markdown file to write, such as docs/findings.md. Default: print the table.
    """
    from stripe.files import check_target, saving
    from stripe.reproduce.findings import findings as found
    from stripe.reproduce.findings import written
    from stripe.reproduce.findings_page import findings_page
    from stripe.reproduce.paper.scales import scale
    from stripe.versions import command_line

    if out is not None:
        check_target(out, (".md",), "a page of findings")
    folder = reports or reports_of(target.scale)

    def reproduced(name: str) -> "Reproduction":
        return reproductions(name, target, published=folder)[0]

    table = found(reproduced)
    if json or out is None:
        print_table(table if json else written(table), json)
    if out is not None:
        with saving(out) as draft:
            draft.write_text(findings_page(table, scale(target.scale), command_line()))
