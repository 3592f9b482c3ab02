"""The result of freezing."""

from dataclasses import dataclass

import pandas as pd
from torch import nn


@dataclass(frozen=True)
class Frozen:
    """A network whose gates are constants.

    Parameters
    ----------
    model
        The network. Its modules have the modes of the original.
    report
        One row per chosen gate: gate; frozen; folded; into, the names of the layers that took the
        constant; reason, why it did not fold or could not be frozen ("" if it folded).
    error
        The largest difference between the outputs of the folded network and of the same network
        with unfolded constants, on random images from one seed, relative to the largest output. If
        the output depends on choices among values, as a detector's does, it is the largest
        difference of the tensors beside the folded gates.
    comparison
        For optimal constants (`stripe.freeze`), a table of both constants on held-out images:
        constants, gates, and agreement, kl and accuracy with their intervals. Otherwise None.
    assumed
        For exact constants, the channels that were 0 or 1 for all recorded images and that another
        image could change: gate, channel, value, n, at_most. Otherwise None.

    Examples
    --------
    >>> frozen = stripe.freeze(model, recording)
    >>> frozen.error < 1e-4
    True
    >>> frozen.report["folded"].all()
    np.True_
    """

    model: nn.Module
    report: pd.DataFrame
    error: float
    comparison: pd.DataFrame | None = None
    assumed: pd.DataFrame | None = None
