"""Predictions from outputs: a label, string, mask, class map or boxes for each image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from stripe.errors import ModelError
from stripe.intervene.scores import check_no_nan, scores_in

#: Smallest probability of a pixel in a mask.
MASK_THRESHOLD = 0.3


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes that a detector outputs for one image.

    Parameters
    ----------
    corners
        (N, 4): x1, y1, x2, y2 in pixels.
    labels
        (N,): the class of each box.
    """

    corners: np.ndarray
    labels: np.ndarray


def predictions(output: Any) -> list[Any]:
    """Return the prediction for each image of a batch, from the output of a network.

    Parameters
    ----------
    output
        A tensor or array, or a list of detections:

        - (B, classes): labels;
        - (B, T, classes): strings, decoded by connectionist temporal classification with symbol 0
          as the blank;
        - (B, 1, H, W): masks of probabilities;
        - (B, classes, H, W): class maps;
        - a list of mappings with "boxes" and "labels": boxes.

        From a mapping, tuple, dataclass or object, as `transformers` and torchvision return it, the
        `logits`, the `out` or else the first tensor is used.

    Returns
    -------
    list
        One entry for each image: int, tuple of int, boolean array (H, W), integer array (H, W), or
        `Boxes`.

    Raises
    ------
    ModelError
        If the output has another form, has only a single score per image, or contains NaN.
    """
    if detections := _detections(output):
        return detections
    found = scores_in(output)
    scores = None if found is None else _array(found)
    if scores is None or scores.ndim not in (2, 3, 4) or np.iscomplexobj(scores):
        came = type(output).__name__ if scores is None else f"shape {scores.shape}"
        raise ModelError(
            "an audit needs class scores (B, classes), strings (B, T, classes), masks (B, 1, H, "
            f"W), maps (B, classes, H, W) or boxes, got {came}; say with predict= what it means"
        )
    if scores.ndim < 4 and scores.shape[-1] < 2:
        raise ModelError(
            f"an audit needs scores of at least 2 classes, got shape {scores.shape}; say with "
            "predict= what a single number means, such as lambda output: output[:, 0] > 0"
        )
    check_no_nan(scores)
    if scores.ndim == 4:
        whole = scores[:, 0] > MASK_THRESHOLD if scores.shape[1] == 1 else scores.argmax(1)
        return list(whole)
    best = scores.argmax(-1)
    return best.tolist() if scores.ndim == 2 else [_collapsed(line) for line in best]


def _detections(output: Any) -> list[Boxes]:
    """Return the boxes of each image, an empty list if the output holds none."""
    if not isinstance(output, Sequence) or not output:
        return []
    if not all(isinstance(one, Mapping) and {"boxes", "labels"} <= set(one) for one in output):
        return []
    return [Boxes(_array(one["boxes"]), _array(one["labels"])) for one in output]


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values
    values = values.detach().to_dense().cpu()
    return values.float().numpy() if values.is_floating_point() else values.numpy()


def _collapsed(symbols: np.ndarray) -> tuple[int, ...]:
    """Return a string without repetitions and blanks, which are symbol 0."""
    first = np.append(True, symbols[1:] != symbols[:-1])
    return tuple(symbols[first & (symbols != 0)].tolist())
