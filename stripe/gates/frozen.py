"""What freezing made."""

from dataclasses import dataclass

import pandas as pd
from torch import nn


@dataclass(frozen=True)
class Frozen:
    """A network whose gates are constants.

    Parameters
    ----------
    model
        The network, its modules in the modes of the one that was frozen.
    report
        One row per gate that was chosen: gate; frozen; folded; into, the names of the layers that
        took the constant; reason, why it did not fold or could not be frozen, "" if neither.
    error
        The largest difference, on random images and from one seed, between the outputs of the
        folded network and of the one whose gates are constants beside the layers, relative to the
        largest output. Where the output depends on choices among values, as a detector's does, it
        is the largest difference of the tensors beside the folded gates.
    comparison
        Of optimal constants (`stripe.freeze`), how they and the means do on images held out:
        constants, gates, and agreement, kl and accuracy with their intervals; else None.
    assumed
        Of exact constants, the channels that were 0 or 1 for all recorded images and that another
        image could change: gate, channel, value, n, at_most; else None.

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
