"""Names as they are written, also where matplotlib would take a part of them for a formula.

Runs, gates, classes and networks may have any name. A name becomes literal once, where it enters a
plot: in `shown_runs`, in `literal_table`, or by `literal`.
"""

from collections.abc import Sequence

import pandas as pd

from stripe.recording import Recorded
from stripe.recording.runs import NamedRun, open_runs


def literal(text: str) -> str:
    """Return a text that matplotlib draws as it is: it sets what is between two $ as a formula."""
    return text.replace("$", r"\$")


def quoted(name: str) -> str:
    """Return the name of a run as it is written within a title or a sentence.

    Without the quotes, a run called a would look like the letter of a panel.
    """
    return f'"{name}"'


def shown_runs(
    data: Recorded | Sequence[Recorded],
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
) -> list[NamedRun]:
    """Return the runs of `open_runs`, with literal names, and their epochs if these differ."""
    runs = open_runs(data, names=names, epoch=epoch)
    differ = len({run.epoch for run in runs}) > 1
    named = []
    for run in runs:
        at = f"epoch {run.epoch}"
        unsaid = differ and not run.name.endswith(at)
        named.append(run._replace(name=literal(run.name) + f", {at}" * unsaid))
    return named


def literal_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with literal texts in its cells."""
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{str(name): table[name].map(_literal) for name in texts})


def _literal(cell: object) -> object:
    return literal(cell) if isinstance(cell, str) else cell
