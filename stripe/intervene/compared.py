"""Compare two choices of constants on held-out images."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from stripe.gates.means import Means, constants
from stripe.intervene.ablate import ablate


def compare_constants(
    model: nn.Module,
    loader: Iterable[Any],
    means: Means,
    optimal: Mapping[str, np.ndarray],
    *,
    epoch: int | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Compare a network whose gates are optimal constants with one whose gates are means.

    Parameters
    ----------
    model, loader
        The network, and held-out images.
    means
        Source of the means, as for `stripe.freeze`.
    optimal
        A vector for each gate that is frozen, by name.
    epoch
        The epoch of the recording that holds the means.
    **options
        For `ablate`.

    Returns
    -------
    DataFrame
        constants ("none" for the untouched network, "mean", "optimal"), gates (number of frozen
        gates), and agreement, kl and accuracy with their 95 % intervals, as in `ablate`.
    """
    vectors = constants(means, epoch).vectors
    hows = {"mean": {name: np.array(vectors[name]) for name in optimal}, "optimal": optimal}
    table = ablate(model, loader, None, hows, list(optimal), alone=False, **options)
    table = table.rename(columns={"intervention": "constants", "gate": "gates"})
    return table.assign(gates=[0] + [len(optimal)] * len(hows))
