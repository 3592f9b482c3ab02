"""The order of labels, where it is regular: sorted by class, or periodic."""

import numpy as np
from jaxtyping import Integer, Shaped


def in_blocks(labels: Integer[np.ndarray, " images"]) -> bool:
    """Return whether each of several classes, of several images, comes once, without others."""
    classes = len(np.unique(labels))
    changes = int(np.count_nonzero(labels[1:] != labels[:-1]))
    return 1 < classes <= len(labels) // 2 and changes == classes - 1


def regular_order(labels: Shaped[np.ndarray, " images"]) -> str:
    """Name the order of labels: "sorted" or "periodic"; empty if it is irregular.

    Examples
    --------
    >>> regular_order(np.array([0, 1, 2, 0, 1, 2, 0])), regular_order(np.array([0, 1, 1, 0, 2, 0]))
    ('periodic', '')
    """
    if (labels[1:] >= labels[:-1]).all() or in_blocks(labels):
        return "sorted"
    periods = range(1, len(labels) // 2 + 1)
    return "periodic" if any((labels[p:] == labels[:-p]).all() for p in periods) else ""
