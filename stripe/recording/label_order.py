"""The order of labels, where it is regular: sorted by class, or periodic."""

import numpy as np
from jaxtyping import Integer, Shaped

#: Number of labels after a period that are compared first, since most periods fail there.
_GLANCE = 64


def in_blocks(labels: Integer[np.ndarray, " images"]) -> bool:
    """Tell whether each of several classes is one block, of 2 or more images on average."""
    classes = len(np.unique(labels))
    changes = int(np.count_nonzero(labels[1:] != labels[:-1]))
    return 1 < classes <= len(labels) // 2 and changes == classes - 1


def regular_order(labels: Shaped[np.ndarray, " images"]) -> str:
    """Name the order of labels: "sorted" (also in reverse) or "periodic"; empty if it is irregular.

    Labels are periodic if a whole period is repeated, or if all labels of a period differ and at
    least the first is repeated.

    Examples
    --------
    >>> regular_order(np.array([0, 1, 2, 0, 1])), regular_order(np.array([0, 1, 1, 0, 2, 0]))
    ('periodic', '')
    """
    if _ascending(labels) or _ascending(labels[::-1]) or in_blocks(labels):
        return "sorted"
    starts = (1 + np.flatnonzero(labels[1:] == labels[0])).tolist()
    whole = (p for p in starts if _repeats(labels[: p + _GLANCE], p) and _repeats(labels, p))
    period = next(whole, len(labels))
    distinct = len(np.unique(labels[:period])) == period
    return "periodic" if 2 * period <= len(labels) or (period < len(labels) and distinct) else ""


def _ascending(labels: Shaped[np.ndarray, " images"]) -> bool:
    return bool((labels[1:] >= labels[:-1]).all())


def _repeats(labels: Shaped[np.ndarray, " images"], period: int) -> bool:
    return bool((labels[period:] == labels[:-period]).all())
