"""The measured effect of each intervention on a gate, for the details of the page."""

import math
from collections.abc import Collection
from typing import Any

import pandas as pd

#: The measures of a row that are shown where the table has them.
_MEASURES = ("kl", "kl_low", "kl_high", "agreement", "accuracy")


def ablation_of(given: Any, gates: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a table of `stripe ablate`, by the name of the gate.

    Parameters
    ----------
    given
        The table: a DataFrame with the columns intervention and gate, and some of kl (in nats),
        kl_low, kl_high, agreement and accuracy (0 to 1). Anything else has no rows.
    gates
        The gates that are shown. Others are left out.

    Returns
    -------
    dict
        For each gate of the table, its rows in their order: the intervention and the measures, None
        where they are not known.
    """
    if not isinstance(given, pd.DataFrame) or not {"intervention", "gate"} <= {*given}:
        return {}
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in given[given["gate"].isin(list(gates))].to_dict("records"):
        measures = {name: _number(row.get(name)) for name in _MEASURES}
        shown = {"intervention": str(row["intervention"]), **measures}
        rows.setdefault(row["gate"], []).append(shown)
    return rows


def _number(value: Any) -> float | None:
    """Return a finite number, or None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
