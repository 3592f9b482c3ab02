"""The order in which an audit freezes gates, and the predicted cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from stripe.audit.candidate import Candidate
from stripe.errors import ModelError
from stripe.intervene.sensitivity_result import Sensitivity
from stripe.recording import Recording

#: Smallest number of images, of the half for the means, that determine the order.
IMAGES = 64


@dataclass(frozen=True)
class FreezingOrder:
    """Gates in the order in which they freeze.

    Parameters
    ----------
    gates
        Names of the gates, in this order.
    by
        "sensitivity" (cost of the set) or "relative_spread" (of each gate).
    predicted
        The estimated KL divergence of freezing the first 1, 2, ... of them, in nats; NaN without an
        estimate.
    """

    gates: list[str]
    by: str
    predicted: list[float]


def by_spread(gates: pd.DataFrame) -> FreezingOrder:
    """Return the gates that can be frozen, the smallest relative spread first."""
    names = gates[gates["frozen"]].sort_values("relative_spread", kind="stable")["gate"].tolist()
    return FreezingOrder(names, "relative_spread", [float("nan")] * len(names))


def constant_and_varying(gates: pd.DataFrame, chosen: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide gates into those that are constant already, as in an ASR, and those that vary."""
    constant = set(gates.loc[gates["kind"] == "constant", "gate"])
    return [gate for gate in chosen if gate in constant], [g for g in chosen if g not in constant]


def by_sensitivity(found: Sensitivity, constants: Sequence[str]) -> FreezingOrder:
    """Return the gates in the order in which each further one adds the least to the set's cost.

    The gates that are constant already come first, because they cost nothing.
    """
    table = found.greedy()
    costs = [0.0] * len(constants) + table["cost"].tolist()
    return FreezingOrder([*constants, *table["gate"]], "sensitivity", costs)


def estimated(
    candidate: Candidate,
    images: Sequence[Tensor],
    recording: Recording,
    gates: Sequence[str],
    *,
    progress: bool,
) -> tuple[Sensitivity | None, str]:
    """Return the estimated cost of freezing gates, or None and the reason."""
    if not gates:
        return None, "no gate that varies can be frozen"
    try:
        found = candidate.sensitivity(_first(images), recording, gates, progress=progress)
    except ModelError as reason:
        return None, str(reason)
    if not np.isfinite(found.matrix.to_numpy()).all():
        return None, "the gradients of the class scores are not finite"
    return found, ""


def _first(images: Sequence[Tensor]) -> list[Tensor]:
    counts = np.cumsum([len(batch) for batch in images])
    return list(images[: int(np.searchsorted(counts, IMAGES)) + 1])
