"""The overview of a gate: its numbers, and a picture of a few hundred values."""

from base64 import b64encode
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32

from stripe.explorer.quantise import quantised
from stripe.stats.moments import Moments
from stripe.stats.stripe_index import index_row

#: Largest number of rows and columns of the picture.
_ROWS, _COLUMNS = 24, 96
#: Number of rows that are reduced at a time.
_PIECE = 2048


def glance(values: Float32[np.ndarray, "images channels"], labels: pd.Series) -> dict[str, Any]:
    """Return the contents of the card of a gate.

    Returns
    -------
    dict
        eta2; spread, the median over channels of the standard deviation over images; `class`, the
        share of the variance within channels that lies between the classes (None without labels);
        low and high, the range of the values; rows, columns and picture (bytes in base64) of means
        over blocks of images and channels.
    """
    moments = _moments(values)
    eta2, _, within, spread, _ = index_row(moments.mean, moments.std, moments.n)
    small = quantised(_blocks(_blocks(values, _ROWS).T, _COLUMNS).T)
    low, high = float(moments.min.min()), float(moments.max.max())
    return {
        **{"eta2": _finite(eta2), "spread": _finite(spread)},
        "class": _finite(_between_classes(values, labels, moments.mean, within)),
        **{"low": _finite(low), "high": _finite(high)},
        **dict(zip(("rows", "columns"), small.steps.shape, strict=True)),
        "picture": b64encode(bytes(small.steps.data)).decode(),
    }


def _moments(values: Float32[np.ndarray, "images channels"]) -> Moments:
    """Return the moments of every channel, some rows at a time, so that copies stay small."""
    starts = range(0, len(values), _PIECE)
    pieces = (Moments.of(values[start : start + _PIECE]) for start in starts)
    return reduce(Moments.merge, pieces)


def _blocks(values: np.ndarray, most: int) -> np.ndarray:
    """Return the means over at most `most` blocks of rows."""
    count = min(most, len(values))
    starts = np.arange(count) * len(values) // count
    sizes = np.diff([*starts, len(values)])
    means: np.ndarray = np.add.reduceat(values, starts, axis=0) / sizes[:, None]
    return np.ascontiguousarray(means, dtype=np.float32)


def _between_classes(
    values: np.ndarray, labels: pd.Series, mean: np.ndarray, within: float
) -> float | None:
    """Return the share of the variance over images that lies between classes."""
    if labels.isna().any() or within <= 0:
        return None
    names = labels.to_numpy(dtype=np.int64)
    order = np.argsort(names, kind="stable")
    _, starts, counts = np.unique(names[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(values[order], starts, axis=0, dtype=np.float64)
    apart = np.square(sums / counts[:, None] - mean)
    return float((counts @ apart).mean() / len(names) / within)


def _finite(number: float | None) -> float | None:
    """Return a number, or None if JSON cannot hold it."""
    return number if number is not None and np.isfinite(number) else None
