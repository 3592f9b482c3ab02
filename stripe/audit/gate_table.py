"""The gates in an audit, one row each: how constant they are, and at what cost they freeze.

Where a gate folds, or why it does not, comes from the report of `gates/freezing/plan.py`.
"""

from collections.abc import Callable

import pandas as pd

from stripe.intervene.sensitivity_result import Sensitivity
from stripe.recording import Recording
from stripe.stats import channel_moments, saturation, stripe_index, variance_components

#: Measurements with one gate frozen alone.
MEASURES = ("kl", "agreement")


def gate_table(recording: Recording, folds: pd.DataFrame) -> pd.DataFrame:
    """Return how constant each gate is, and where it folds.

    Parameters
    ----------
    recording
        A recording of one epoch that holds values.
    folds
        The report of freezing all gates.

    Returns
    -------
    DataFrame
        As `stripe.Audit` describes it, without the costs.
    """
    moments = channel_moments(recording)
    index = stripe_index(moments).drop(columns=["epoch"])
    mean = moments.groupby("gate", sort=False)["mean"].apply(lambda m: float((m**2).mean() ** 0.5))
    spread = index["within_var"] ** 0.5
    index["relative_spread"] = (spread / index["gate"].map(mean)).where(spread > 0, 0.0)
    shares = variance_components(recording)[["gate", "channel", "class", "image"]]
    known = recording.gates[["name", "owner_class", "kind", "channels"]]
    table = known.rename(columns={"name": "gate"}).merge(index, on="gate")
    table = table.merge(shares, on="gate").merge(_saturated(moments), on="gate")
    table = table.merge(folds, on="gate")
    return table.drop(columns=["between_var", "within_var"])


def _saturated(moments: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of channels of each gate that are always off, always on, or exactly so."""
    near, exactly = saturation(moments), saturation(moments, low=0.0, high=1.0)
    return near[["gate", "off", "on"]].assign(exact=exactly["off"] + exactly["on"])


def with_costs(
    table: pd.DataFrame, found: Sensitivity | None, known: Callable[[str], dict[str, float]]
) -> pd.DataFrame:
    """Return a table of gates with the estimated and measured cost of freezing each alone.

    Parameters
    ----------
    table
        As `gate_table` returns it.
    found
        The estimate, if there is one.
    known
        Function that returns the measurements with one gate frozen alone, empty if there are none.
    """
    costs = pd.Series(dtype=float) if found is None else found.gates.set_index("gate")["fisher"]
    measured = {
        name: [known(gate).get(name, float("nan")) for gate in table["gate"]] for name in MEASURES
    }
    predicted = table["gate"].map(costs).mask(table["kind"] == "constant", 0.0)
    return table.assign(predicted_kl=predicted, **measured)
