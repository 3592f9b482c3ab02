"""The cost of freezing each gate, from a table or a mapping, for the overview of the page."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from stripe.errors import StripeError
from stripe.explorer.ablation import ablation_of
from stripe.registry import listed

#: Columns that hold a cost in nats: of an audit, of `stripe.sensitivity`, of `stripe ablate`.
COLUMNS = ("predicted_kl", "fisher", "kl")


def costs_of(given: Any, gates: Collection[str]) -> dict[str, float]:
    """Return the cost of freezing each gate at its mean, in nats, by its name.

    Parameters
    ----------
    given
        A mapping from gates to numbers; a table with the columns gate and one of `COLUMNS`; or an
        object with such a table as `gates`, an `Audit` or a `Sensitivity`. If the table has a
        column intervention, only its rows "mean" are used.
    gates
        The gates that are shown. Others are left out.

    Raises
    ------
    StripeError
        If `given` is none of these, or names none of the gates.
    """
    table = given if isinstance(given, pd.DataFrame) else getattr(given, "gates", given)
    if isinstance(table, pd.DataFrame):
        table = _of_table(table)
    if not isinstance(table, Mapping):
        raise StripeError(
            "costs are a table (in a shell a CSV file) with the columns gate and one of "
            f"{', '.join(COLUMNS)}, a mapping, an Audit or a Sensitivity, got {_said(given)}"
        )
    found = {str(gate): float(cost) for gate, cost in table.items() if gate in gates}
    if not found and not ablation_of(given, gates):
        raise StripeError(
            f"costs must name a recorded gate, such as {next(iter(gates), 'none')!r}, and name "
            f"{', '.join(map(str, list(table)[:3])) or 'none'}"
        )
    return {gate: cost for gate, cost in found.items() if math.isfinite(cost)}


def _of_table(table: pd.DataFrame) -> dict[str, float] | None:
    """Return the costs in a table, None if it lacks the columns."""
    named = [name for name in COLUMNS if name in table]
    if "gate" not in table or not named:
        return None
    if "intervention" in table:
        table = table[table["intervention"] == "mean"]
    return dict(zip(table["gate"], table[named[0]], strict=True))


def _said(given: Any) -> str:
    """Say what was given: the columns of a table, or a type."""
    if isinstance(given, pd.DataFrame):
        return f"a table with the columns {listed(list(map(str, given)), 8)}"
    return type(given).__name__
