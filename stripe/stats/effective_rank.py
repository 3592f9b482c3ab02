"""The number of directions in which a gate varies over images."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64

from stripe.recording import Recorded, open_recording
from stripe.stats.per_gate import chosen_epochs
from stripe.stats.stripe_index import ROUNDING
from stripe.stats.unwarned import unwarned
from stripe.typed import typed


@typed
def effective_rank(recording: Recorded, epochs: Iterable[int] | None = None) -> pd.DataFrame:
    """Compute the number of directions in which each gate varies over images.

    Let s be the singular values of the gate (images x channels) after the mean of each channel over
    images is subtracted. `effective_rank = exp(H(p))`, where H is the entropy of `p = s / sum(s)`.
    The participation ratio, `participation = (sum(s^2))^2 / sum(s^4)`, weights directions by their
    variance.

    Parameters
    ----------
    recording
        A recording with values. It is read once, one row group (about 16 MiB) at a time. The
        computation needs memory for a channels x channels matrix per gate.
    epochs
        Epochs. Default: all.

    Returns
    -------
    DataFrame
        One row per epoch and gate: epoch, gate, channels, effective_rank, participation. The last
        two are 0 for a gate that varies by no more than the rounding of float32, and NaN for a gate
        with values that are not finite. Otherwise, they are between 1 and the number of channels.

    Raises
    ------
    RecordingError
        If the recording has no values, or an epoch was not recorded.

    Notes
    -----
    Both numbers are at most the number of images. Neither measures how much a gate varies: a nearly
    constant gate has a high rank if its small variation is noise.

    References
    ----------
    Roy and Vetterli, "The Effective Rank", EUSIPCO 2007.

    Examples
    --------
    >>> stripe.stats.effective_rank(recording).columns.tolist()[:2]
    ['epoch', 'gate']
    """
    recording = open_recording(recording)
    rows = []
    for epoch in chosen_epochs(recording, epochs):
        scatters: dict[str, _Scatter] = {}
        for piece in recording.scan(epoch):
            for gate, values in piece.items():
                scatters.setdefault(gate, _Scatter(values.shape[1])).add(values)
        for gate, scatter in scatters.items():
            rows.append((epoch, gate, len(scatter.mean), *ranks(scatter)))
    columns = ["epoch", "gate", "channels", "effective_rank", "participation"]
    return pd.DataFrame(rows, columns=columns)


class _Scatter:
    """The mean of rows and the sum of outer products of their distances from it."""

    def __init__(self, channels: int) -> None:
        self.n = 0
        self.mean = np.zeros(channels)
        self.matrix = np.zeros((channels, channels))

    @unwarned
    def add(self, values: Float[np.ndarray, "images channels"]) -> None:
        """Add rows; merged as in `Moments.merge`."""
        exact = values.astype(np.float64)
        mean, m = exact.mean(0), len(exact)
        apart, n = mean - self.mean, self.n + m
        centred = exact - mean
        self.matrix += centred.T @ centred + np.outer(apart, apart) * (self.n * m / n)
        self.mean += apart * (m / n)
        self.n = n


def ranks(scatter: _Scatter) -> Iterator[float]:
    """Yield the effective rank and the participation ratio."""
    if not np.isfinite(scatter.matrix).all():
        yield from (float("nan"), float("nan"))
        return
    variances: Float64[np.ndarray, " c"] = np.linalg.eigvalsh(scatter.matrix)
    # Upper bound of float32 rounding along a direction without variation.
    floor = scatter.n * ROUNDING**2 * float(np.square(scatter.mean).max(initial=0.0))
    variances = variances[variances > max(floor, 1e-14 * variances.max(initial=0.0))]
    if not len(variances):
        yield from (0.0, 0.0)
        return
    p = np.sqrt(variances) / np.sqrt(variances).sum()
    yield float(np.exp(-(p * np.log(p)).sum()))
    yield float(variances.sum() ** 2 / np.square(variances).sum())
