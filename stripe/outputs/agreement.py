"""Agreement of two predictions for an image, and the interval of its mean."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from stripe.errors import ModelError, UnknownNameError
from stripe.outputs.equality import equal
from stripe.outputs.predictions import MISSING, Boxes, as_array
from stripe.stats.share_interval import share_interval
from stripe.typed import typed

#: Function of two predictions of an image that returns a share from 0 to 1.
Agreement = Callable[[Any, Any], float]

#: Smallest intersection over union of two boxes that match.
MATCH = 0.5

_DRAWS = 2000

#: Largest number of agreements that are drawn at once.
_AT_ONCE = 1 << 22

#: How far rounding may take an agreement out of the range from 0 to 1.
_ROUNDING = 1e-6


@typed
def agreements(
    one: Sequence[Any], other: Sequence[Any], agree: str | Agreement | None = None
) -> np.ndarray:
    """Return the agreement of two predictions for each image, 0 to 1.

    Parameters
    ----------
    one, other
        Predictions, as `stripe.outputs.predictions.predictions` returns them.
    agree
        One of these names, or a function of two predictions:

        - "equal": 1 for equal predictions, otherwise 0;
        - "edit": 1 - d / n, where d is the edit distance of two sequences, and n the length of the
          longer one;
        - "iou": intersection over union of masks; for class maps, its mean over classes;
        - "boxes": share of the boxes of both predictions that match a box of the same class in the
          other prediction, with an intersection over union of at least 0.5. Each box is matched at
          most once.

        Default: "boxes" for boxes, "iou" for masks and class maps, otherwise "equal".
        `stripe.outputs.predictions.MISSING`, the prediction for an image whose scores are NaN, has
        an agreement of 0 with every prediction.

    Returns
    -------
    ndarray
        Shape (images,), float64.

    Raises
    ------
    UnknownNameError
        If the text names no agreement.
    ModelError
        In one of these cases:

        - all predictions are boxes, and none of them contains a box, so that the agreement would be
          meaningless;
        - the predictions are not of a kind that the agreement compares;
        - a function does not return a number from 0 to 1.

    Examples
    --------
    >>> from stripe.outputs.agreement import agreements
    >>> agreements(["kitten"], ["sitting"], "edit").round(2)
    array([0.57])
    """
    check_agree(agree)
    pairs = list(zip(one, other, strict=True))
    _check_boxes(pairs)
    if not callable(agree):
        pairs = [(_plain(a), _plain(b)) for a, b in pairs]
    if agree is None:
        agree = next((_by_kind(a) for a, b in pairs if not _is_missing(a, b)), "equal")
    compare = _own(agree) if callable(agree) else _named(agree)
    return np.array([0.0 if _is_missing(*pair) else compare(*pair) for pair in pairs])


def check_agree(agree: object) -> None:
    """Raise an `UnknownNameError` if `agree` is neither None, nor a name, nor a function."""
    known = agree is None or callable(agree) or (isinstance(agree, str) and agree in AGREE)
    if not known:
        raise UnknownNameError(
            f"unknown agreement {agree!r}; choose one of: {', '.join(AGREE)}, or give a function"
        )


def _is_missing(one: Any, other: Any) -> bool:
    return one is MISSING or other is MISSING


def _own(agree: Agreement) -> Agreement:
    """Return a function of one's own that raises if its result is no share."""
    return lambda one, other: _share_of(agree(one, other))


def _named(name: str) -> Agreement:
    """Return an agreement that raises if it does not compare two predictions."""

    def compare(one: Any, other: Any) -> float:
        _check_kind(name, one, other)
        return AGREE[name](one, other)

    return compare


def _check_boxes(pairs: Sequence[tuple[Any, Any]]) -> None:
    """Raise if all predictions are boxes, and none of them contains a box."""
    known = [one for pair in pairs for one in pair if one is not MISSING]
    if known and all(isinstance(one, Boxes) and not len(one.labels) for one in known):
        raise ModelError(
            "a comparison of detectors needs images with boxes, and the network outputs none; "
            "give other images"
        )


def mean_interval(each: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of agreements.

    It is Wilson's interval if every agreement is 0 or 1. Otherwise, its ends are percentiles of
    2000 bootstrap means (seed 0). It is NaN if an agreement is NaN.
    """
    if np.isnan(each).any():
        return float("nan"), float("nan")
    if np.isin(each, (0, 1)).all():
        return share_interval(float(each.mean()), len(each))
    generator, count = np.random.default_rng(0), len(each)
    rows = max(1, _AT_ONCE // count)
    parts = [min(rows, _DRAWS - first) for first in range(0, _DRAWS, rows)]
    means = [each[generator.integers(0, count, (part, count))].mean(1) for part in parts]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def _plain(prediction: Any) -> Any:
    """Return arrays instead of tensors, also in boxes, and any other prediction as it is."""
    if isinstance(prediction, Boxes):
        return Boxes(as_array(prediction.corners), as_array(prediction.labels))
    return as_array(prediction) if isinstance(prediction, Tensor) else prediction


def _share_of(found: Any) -> float:
    """Return what a function of two predictions returned, if it is a number from 0 to 1."""
    try:
        share = float(found)
    except (TypeError, ValueError):
        share = float("nan")
    if not -_ROUNDING <= share <= 1 + _ROUNDING:
        came = found if isinstance(found, int | float) else type(found).__name__
        raise ModelError(f"agree= must return a number from 0 to 1 for two predictions, got {came}")
    return min(max(share, 0.0), 1.0)


def _by_kind(prediction: Any) -> str:
    if isinstance(prediction, Boxes):
        return "boxes"
    return "iou" if _is_map(prediction) else "equal"


def _is_map(prediction: Any) -> bool:
    return isinstance(prediction, np.ndarray) and prediction.dtype.kind in "biu"


def _check_kind(name: str, one: Any, other: Any) -> None:
    """Raise if an agreement does not compare two predictions."""
    can = {
        "boxes": isinstance(one, Boxes) and isinstance(other, Boxes),
        "iou": _is_map(one) and _is_map(other) and one.shape == other.shape,
        "edit": all(isinstance(p, Sequence) or getattr(p, "ndim", 0) == 1 for p in (one, other)),
    }
    if not can.get(name, True):
        what = {"boxes": "Boxes", "iou": "masks or maps of one size", "edit": "sequences"}[name]
        came = " and ".join(dict.fromkeys(_described(p) for p in (one, other)))
        raise ModelError(
            f"the agreement {name!r} compares {what}, got {came}; choose another one with agree=, "
            "or other predictions with predict="
        )


def _described(prediction: Any) -> str:
    if isinstance(prediction, np.ndarray):
        return f"an array of {prediction.dtype}, {prediction.shape}"
    return type(prediction).__name__


def _equal(one: Any, other: Any) -> float:
    return float(equal(one, other))


def _edit(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Return one minus Levenshtein's distance relative to the length of the longer sequence."""
    row = list(range(len(other) + 1))
    for number, symbol in enumerate(one, 1):
        above, row = row, [number]
        for place, of_other in enumerate(other, 1):
            changed = above[place - 1] + (symbol != of_other)
            row.append(min(changed, above[place] + 1, row[-1] + 1))
    return 1 - row[-1] / max(len(one), len(other), 1)


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two masks, or its mean over the classes of two maps."""
    if one.dtype != bool:
        classes = np.union1d(one, other)
        return float(np.mean([_overlap(one == label, other == label) for label in classes]))
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def _matched(one: Boxes, other: Boxes) -> float:
    """Return the share of boxes of both that match, each at most once."""
    total = len(one.labels) + len(other.labels)
    if not total:
        return 1.0
    overlaps = _box_overlaps(as_array(one.corners), as_array(other.corners))
    labels = as_array(one.labels)[:, None], as_array(other.labels)[None, :]
    overlaps[labels[0] != labels[1]] = 0
    pairs = 0
    while overlaps.size and overlaps.max() >= MATCH:
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        overlaps[row], overlaps[:, column] = 0, 0
        pairs += 1
    return 2 * pairs / total


def _box_overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the intersection over union of boxes (N, 4) and (M, 4), shape (N, M).

    It is 1 for equal boxes, even if they have no area.
    """
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one, other)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    ratio: np.ndarray = shared / np.maximum(union, np.finfo(np.float32).tiny)
    ratio[(one[:, None] == other[None]).all(2)] = 1
    return ratio


#: Agreements of two predictions, by name.
AGREE: dict[str, Agreement] = {
    "equal": _equal,
    "edit": _edit,
    "iou": _overlap,
    "boxes": _matched,
}
