"""Mean, spread and range of every channel, in one pass and constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from stripe.recording import Recording
from stripe.recording.schema import gate_column

COLUMNS = ["epoch", "gate", "channel", "n", "mean", "std", "min", "max"]


@dataclass(frozen=True)
class Moments:
    """Moments of each channel over n images, in float64.

    `m2` is the sum of squared deviations from the mean, so that the population variance is
    `m2 / n`; keeping it rather than sums of squares loses no digits when the spread is small
    against the mean, as it is in a stripe.
    """

    n: int
    mean: Float[np.ndarray, " channels"]
    m2: Float[np.ndarray, " channels"]
    min: Float[np.ndarray, " channels"]
    max: Float[np.ndarray, " channels"]

    @classmethod
    def of(cls, values: Float[np.ndarray, "images channels"]) -> "Moments":
        """Return the moments of one piece, with at least one image."""
        exact = values.astype(np.float64)
        mean = exact.mean(0)
        m2 = np.square(exact - mean).sum(0)
        return cls(len(exact), mean, m2, exact.min(0), exact.max(0))

    @classmethod
    def kept(cls, table: pd.DataFrame) -> "Moments":
        """Return the moments of one gate from a table as `Recording.moments` gives it."""
        mean, m2, low, high = (table[name].to_numpy() for name in ("mean", "m2", "min", "max"))
        return cls(int(table["n"].iloc[0]), mean, m2, low, high)

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both pieces together.

        References
        ----------
        Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
        Variances", 1979, equations 2.1.
        """
        n = self.n + other.n
        delta = other.mean - self.mean
        return Moments(
            n=n,
            mean=self.mean + delta * (other.n / n),
            m2=self.m2 + other.m2 + np.square(delta) * (self.n * other.n / n),
            min=np.minimum(self.min, other.min),
            max=np.maximum(self.max, other.max),
        )

    @property
    def std(self) -> Float[np.ndarray, " channels"]:
        """The population standard deviation (division by n)."""
        return np.sqrt(self.m2 / self.n)


def epoch_moments(recording: Recording, epoch: int) -> dict[str, Moments]:
    """Return the moments of every gate in one epoch, by name, from one pass over the file."""
    moments: dict[str, Moments] = {}
    for piece in _pieces(recording, epoch):
        for gate, new in piece.items():
            moments[gate] = moments[gate].merge(new) if gate in moments else new
    return moments


def _pieces(recording: Recording, epoch: int) -> Iterator[dict[str, Moments]]:
    """Yield moments by gate of pieces of an epoch: of row groups, or what each process kept."""
    if recording.header.per_image:
        for values in recording.scan(epoch):
            yield {gate: Moments.of(array) for gate, array in values.items()}
        return
    for table in recording.moments(epoch):
        by_column = dict(iter(table.groupby("column", sort=False)))
        yield {
            gate.name: Moments.kept(by_column[gate_column(gate.name)])
            for gate in recording.header.channel_gates
            if gate_column(gate.name) in by_column
        }


def channel_moments(recording: Recording, epochs: Iterable[int] | None = None) -> pd.DataFrame:
    """Compute the moments of every channel of every gate over the images of each epoch.

    Parameters
    ----------
    recording
        From `stripe.open_recording`.
    epochs
        Which epochs; by default all.

    Returns
    -------
    DataFrame
        epoch, gate, channel, n (images), mean, std (population: divided by n), min, max; one row
        per channel, in float64.

    Notes
    -----
    A recording is read once, a piece at a time, and merged in float64: the memory does not depend
    on the number of images. A small std means little by itself: a gate that is small everywhere
    has a small spread too. `stripe_index` compares it with the spread between channels.

    References
    ----------
    The mean vector and the diagonal of the covariance in the Stripe Observation; Figure 2b.
    """
    chosen = recording.epochs if epochs is None else list(epochs)
    tables = [
        _table(epoch, gate, moments)
        for epoch in chosen
        for gate, moments in epoch_moments(recording, epoch).items()
    ]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    table.attrs["input_shape"] = recording.header.input_shape
    return table


def _table(epoch: int, gate: str, moments: Moments) -> pd.DataFrame:
    return pd.DataFrame({
        "epoch": epoch,
        "gate": gate,
        "channel": np.arange(len(moments.mean)),
        "n": moments.n,
        "mean": moments.mean,
        "std": moments.std,
        "min": moments.min,
        "max": moments.max,
    })  # fmt: skip
