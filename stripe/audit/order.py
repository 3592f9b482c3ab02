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


def by_sensitivity(found: Sensitivity) -> FreezingOrder:
    """Return the gates in the order in which each further one adds the least to the set's cost."""
    table = found.greedy()
    return FreezingOrder(table["gate"].tolist(), "sensitivity", table["cost"].tolist())


def estimated(
    candidate: Candidate,
    images: Sequence[Tensor],
    recording: Recording,
    gates: Sequence[str],
    *,
    progress: bool,
) -> tuple[Sensitivity | None, str]:
    """Return the estimated cost of freezing, or None and the reason."""
    if not gates:
        return None, "no gate can be frozen"
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
