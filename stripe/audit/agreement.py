"""What two outputs of a network have to agree in: labels, strings or masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stripe.errors import ModelError

#: The probability from which a place counts as part of a mask.
MASK_THRESHOLD = 0.3


def kind_of(output: np.ndarray) -> str:
    """Return what an output is, by its shape.

    Parameters
    ----------
    output
        (B, classes) for "labels"; (B, T, classes) for "strings", read by connectionist temporal
        classification; (B, 1, H, W) for "masks" of probabilities.

    Raises
    ------
    ModelError
        If it has another shape, as boxes have.
    """
    if output.ndim == 4 and output.shape[1] == 1:
        return "masks"
    if output.ndim in (2, 3):
        return {2: "labels", 3: "strings"}[output.ndim]
    raise ModelError(
        "an audit of a graph needs class scores (B, classes), strings (B, T, classes) or masks "
        f"(B, 1, H, W) as the first output, got {output.shape}"
    )


def predictions(output: np.ndarray) -> list[Any]:
    """Return what is said of each image: a label, a string as a tuple of symbols, or a mask."""
    kind = kind_of(output)
    if kind == "masks":
        return list(output[:, 0] > MASK_THRESHOLD)
    best = output.argmax(-1)
    return best.tolist() if kind == "labels" else [_collapsed(line) for line in best]


def agreement(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Return the mean over images of their agreement, 0 to 1.

    Labels and strings agree or do not; two masks agree by their intersection over union, and two
    empty ones wholly.
    """
    return float(np.mean([_agree(*pair) for pair in zip(one, other, strict=True)]))


def _agree(one: Any, other: Any) -> float:
    if not isinstance(one, np.ndarray):
        return float(one == other)
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def _collapsed(symbols: np.ndarray) -> tuple[int, ...]:
    """Return a string without repetitions and blanks, which are symbol 0."""
    first = np.append(True, symbols[1:] != symbols[:-1])
    return tuple(symbols[first & (symbols != 0)].tolist())
