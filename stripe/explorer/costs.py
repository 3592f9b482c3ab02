"""What freezing each gate costs, as it was measured elsewhere, for the cards of the page."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from stripe.errors import StripeError

#: Columns that hold a cost in nats: of an audit, of `stripe.sensitivity`, of `stripe ablate`.
COLUMNS = ("predicted_kl", "fisher", "kl")


def costs_of(given: Any, gates: Collection[str]) -> dict[str, float]:
    """Return the cost of freezing each gate at its mean, in nats, by its name.

    Parameters
    ----------
    given
        A mapping from gates to numbers; a table with the columns gate and one of `COLUMNS`, of
        which the rows of the intervention "mean" count where there are several; or what has such a
        table as `gates`: an `Audit` or the result of `stripe.sensitivity`.
    gates
        The gates that are shown. Others are left out.

    Raises
    ------
    StripeError
        If it is none of these, or names none of the gates.
    """
    table = given if isinstance(given, pd.DataFrame) else getattr(given, "gates", given)
    if isinstance(table, pd.DataFrame):
        table = _of_table(table)
    if not isinstance(table, Mapping):
        raise StripeError(
            "costs are a mapping, a table with the columns gate and one of "
            f"{', '.join(COLUMNS)}, an Audit or a Sensitivity, got {type(given).__name__}"
        )
    found = {str(gate): float(cost) for gate, cost in table.items() if gate in gates}
    if not found:
        raise StripeError(
            f"costs must name a recorded gate, such as {next(iter(gates), 'none')!r}, and name "
            f"{', '.join(map(str, list(table)[:3])) or 'none'}"
        )
    return {gate: cost for gate, cost in found.items() if math.isfinite(cost)}


def _of_table(table: pd.DataFrame) -> dict[str, float] | None:
    """Return the costs of a table, None where it has no such columns."""
    named = [name for name in COLUMNS if name in table]
    if "gate" not in table or not named:
        return None
    if "intervention" in table:
        table = table[table["intervention"] == "mean"]
    return dict(zip(table["gate"], table[named[0]], strict=True))
