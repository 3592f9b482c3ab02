"""Mean, spread and range of every channel, reduced file by file and merged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from stripe.errors import RecordingError, StripeError
from stripe.recording import Recorded, Recording, open_recording
from stripe.recording.finished_part import FinishedPart
from stripe.recording.schema import gate_column
from stripe.stats.per_gate import chosen_epochs
from stripe.stats.read_ahead import ahead, in_pairs
from stripe.stats.unwarned import unwarned
from stripe.typed import typed

#: Maps a function over a list, and yields the results in order.
Over = Callable[[Callable[[Any], Any], list[Any]], Iterable[Any]]

#: Numbers in a row over which numpy reduces fast.
_WIDE = 1024
#: Numbers of which a copy in float64 is made at a time: 4 MiB of it.
_BLOCK = 2**19

COLUMNS = ["epoch", "gate", "channel", "n", "mean", "std", "min", "max"]


@dataclass(frozen=True)
class Moments:
    """Moments of each channel over n images, in float64.

    `m2` is the sum of squared deviations from the mean, so the population variance is `m2 / n`.
    Unlike a plain sum of squares, `m2` loses no digits if the spread is small relative to the mean,
    as in a stripe.

    Examples
    --------
    >>> from stripe.stats import Moments
    >>> first, second = Moments.of(np.array([[0.0], [2.0]])), Moments.of(np.array([[4.0]]))
    >>> both = first.merge(second)
    >>> both.n, both.mean.tolist(), both.m2.tolist()
    (3, [2.0], [8.0])
    """

    n: int
    mean: Float[np.ndarray, " channels"]
    m2: Float[np.ndarray, " channels"]
    min: Float[np.ndarray, " channels"]
    max: Float[np.ndarray, " channels"]

    @classmethod
    @unwarned
    def of(cls, values: Float[np.ndarray, "images channels"]) -> "Moments":
        """Return the moments of one array, which has at least one image."""
        images, channels = values.shape
        if images > (rows := max(1, _BLOCK // channels)):  # their copy in float64 stays small
            blocks = (values[start : start + rows] for start in range(0, images, rows))
            return reduce(cls.merge, map(cls.of, blocks))
        # Rows of few channels are laid side by side, since numpy is slow along short ones.
        fold = min(images, max(1, _WIDE // channels))
        whole = images // fold * fold
        wide = values[:whole].reshape(-1, fold * channels)
        low, high = (
            edge.reshape(fold, channels).astype(np.float64) for edge in (wide.min(0), wide.max(0))
        )
        exact = wide.astype(np.float64)
        mean = exact.mean(0).reshape(fold, channels).mean(0)
        exact -= np.tile(mean, fold)  # in place, since a second copy costs more than the sums
        m2 = np.einsum("ij,ij->j", exact, exact).reshape(fold, channels).sum(0)
        moments = cls(whole, mean, m2, low.min(0), high.max(0))
        return moments.merge(cls.of(values[whole:])) if whole < images else moments

    @classmethod
    def kept(cls, table: pd.DataFrame) -> "Moments":
        """Return the moments of one gate from its rows in a file of a recording without values."""
        mean, m2, low, high = (table[name].to_numpy() for name in ("mean", "m2", "min", "max"))
        return cls(int(table["n"].iloc[0]), mean, m2, low, high)

    @unwarned
    def merge(self, other: "Moments") -> "Moments":
        """Return the moments over the images of this object and of `other` together.

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
        """The population standard deviation (with divisor n)."""
        return np.sqrt(self.m2 / self.n)


@dataclass(frozen=True)
class Piece:
    """A part of one epoch of a recording: what one process reduces to moments.

    Parameters
    ----------
    part
        Its file.
    columns
        From gates to their columns.
    per_image
        Whether the file holds a row per image, or moments.
    """

    part: FinishedPart
    columns: dict[str, str]
    per_image: bool


def piece_moments(piece: Piece) -> dict[str, Moments]:
    """Return the moments of every gate in a piece, by name, from one pass over its file."""
    if piece.per_image:
        moments: dict[str, Moments] = {}
        for values in ahead(piece.part.pieces(piece.columns)):
            moments = _merged(moments, {gate: Moments.of(array) for gate, array in values.items()})
        return moments
    by_column = dict(iter(piece.part.frame().groupby("column", sort=False)))
    return {
        gate: Moments.kept(by_column[column])
        for gate, column in piece.columns.items()
        if column in by_column
    }


def moments_of(
    data: Recorded | Sequence[Recorded] | pd.DataFrame, over: Over, *columns: str
) -> pd.DataFrame:
    """Return the table of `channel_moments`, computed unless it is given.

    Raises
    ------
    StripeError
        If a table is given that lacks epoch, gate or one of `columns`.
    """
    if not isinstance(data, pd.DataFrame):
        return channel_moments(data, over=over)
    if missing := [name for name in ("epoch", "gate", *columns) if name not in data]:
        raise StripeError(
            f"a table must be that of stripe.stats.channel_moments, and lacks {', '.join(missing)}"
        )
    return data


@typed
def channel_moments(
    data: Recorded | Sequence[Recorded],
    epochs: Iterable[int] | None = None,
    *,
    over: Over = in_pairs,
) -> pd.DataFrame:
    """Compute the moments of every channel of every gate over the images of each epoch.

    Parameters
    ----------
    data
        A recording or its directory, or a list of them. The tables of several recordings are
        concatenated.
    epochs
        Epochs. Default: all.
    over
        Function that applies a function to each item of a list and yields the results in order:
        `map`, the `map` of a pool (`stripe.stats.processes`, or any `concurrent.futures` executor),
        or the `map` of a cluster (`stripe.reproduce.engines.Ray.map`). Each call of the applied
        function processes one file. All these functions give identical results, to the last bit.
        Default: a `map` in two threads.

    Returns
    -------
    DataFrame
        One row per epoch, gate and channel, in float64: epoch, gate, channel, n (number of images),
        mean, std (population: with divisor n), min, max. If `data` is a list, the first column is
        `recording`, the path.

    Raises
    ------
    RecordingError
        If there is no recording, an epoch was not recorded, a file is damaged, or a recording is
        given twice. The message names the recording, epoch or file.

    Notes
    -----
    Each recording is read once. Two files are reduced at a time by default. For each of them,
    memory holds the gates that are being reduced and the gates that are read next. Moments of
    blocks of at most 524,288 values are merged in float64, so the required memory does not depend
    on the number of images.

    A small std means little by itself, because a gate with small values also has a small spread.
    `stripe_index` compares the spread over images with the spread between channels. If a channel
    has a value that is not finite, its std is NaN, and its mean is infinite or NaN.

    References
    ----------
    The mean vector and the diagonal of the covariance in the Stripe Observation; Figure 2b.

    Examples
    --------
    >>> moments = stripe.stats.channel_moments(recording, epochs=[2])
    >>> moments.columns.tolist()
    ['epoch', 'gate', 'channel', 'n', 'mean', 'std', 'min', 'max']
    """
    alone = isinstance(data, Recorded)
    several = [data] if isinstance(data, Recorded) else data
    if not several:
        raise RecordingError("data must be at least one recording, got an empty list")
    recordings = [open_recording(one) for one in several]
    paths = [recording.path.resolve() for recording in recordings]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise RecordingError(f"each recording must be given once, and {twice[0]} was given twice")
    chosen = None if epochs is None else list(epochs)  # which may be an iterator
    places, pieces = [], []
    for recording in recordings:
        for epoch in chosen_epochs(recording, chosen):
            for piece in _pieces(recording, epoch):
                places.append((recording, epoch))
                pieces.append(piece)
    tables = []
    found = zip(places, over(piece_moments, pieces), strict=True)
    for (recording, epoch), of_epoch in groupby(found, key=itemgetter(0)):
        moments = reduce(_merged, (of_piece for _, of_piece in of_epoch))
        for gate, merged in moments.items():
            table = _table(epoch, gate, merged)
            if not alone:
                table.insert(0, "recording", str(recording.path))
            tables.append(table)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    table.attrs["input_shape"] = recordings[0].header.input_shape
    if alone:
        found_epochs = dict.fromkeys(epoch for _, epoch in places)
        table.attrs["weights"] = {str(e): recordings[0].weights(e) for e in found_epochs}
        table.attrs["dtypes"] = {gate.name: gate.dtype for gate in recordings[0].header.gates}
    return table


def _pieces(recording: Recording, epoch: int) -> list[Piece]:
    columns = {gate.name: gate_column(gate.name) for gate in recording.header.channel_gates}
    per_image = recording.header.per_image
    return [  # of absolute paths, since processes of a cluster work elsewhere
        Piece(replace(part, path=part.path.absolute()), columns, per_image)
        for part in recording.parts(epoch)
    ]


def _merged(some: dict[str, Moments], more: dict[str, Moments]) -> dict[str, Moments]:
    """Return the moments of two pieces together, gate by gate."""
    both = {gate: some[gate].merge(new) if gate in some else new for gate, new in more.items()}
    return {**some, **both}


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
