"""Predictions from outputs: a label, string, mask, class map or boxes for each image."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stripe.errors import ModelError
from stripe.outputs.scores import are_probabilities, refuse_nan, scores_in
from stripe.typed import typed

#: Smallest probability of a place in a mask, and the logit of it.
MASK_THRESHOLD = 0.3
_MASK_LOGIT = math.log(MASK_THRESHOLD / (1 - MASK_THRESHOLD))

#: The prediction for an image whose scores are NaN. Its agreement with every prediction is 0.
MISSING = object()


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes that a detector outputs for one image.

    Parameters
    ----------
    corners
        (N, 4): x1, y1, x2, y2 in pixels.
    labels
        (N,): the class of each box.

    Raises
    ------
    ModelError
        If an array has another shape.

    Examples
    --------
    >>> from stripe.outputs.predictions import Boxes
    >>> one = Boxes(np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([1]))
    """

    corners: Tensor | np.ndarray
    labels: Tensor | np.ndarray

    def __post_init__(self) -> None:
        shapes = tuple(np.shape(self.corners)), tuple(np.shape(self.labels))
        if shapes != ((*shapes[1], 4), shapes[1]) or len(shapes[1]) != 1:
            raise ModelError(
                f"boxes need corners (N, 4) and labels (N,), got {shapes[0]} and {shapes[1]}; give "
                "x1, y1, x2, y2 and one label for each box"
            )


@typed
def predictions(output: Any, *, missing: bool = False) -> list[Any]:
    """Return the prediction for each image of a batch from the output of a network.

    Parameters
    ----------
    output
        A tensor or array, or a list of detections:

        - (B, classes): labels, the classes with the largest scores;
        - (B, T, classes): strings, as tuples of symbol numbers, decoded by connectionist temporal
          classification with symbol 0 as the blank;
        - (B, 1, H, W): masks, from probabilities, or from logits if a value is not between 0 and 1;
          a pixel is on if its probability is above 0.3;
        - (B, classes, H, W): class maps, with the class of each pixel;
        - a list of mappings with "boxes" and "labels": boxes.

        If the output is a mapping, tuple, dataclass or other object, such as those of
        `transformers` and torchvision, its `logits` are used, or else its `out`, or else its first
        tensor.
    missing
        Return `MISSING` for an image whose scores are NaN, instead of raising an error.

    Returns
    -------
    list
        One entry for each image: int, tuple of int, boolean array (H, W), integer array (H, W),
        `Boxes`, or `MISSING`.

    Raises
    ------
    ModelError
        If the output has another form, has a single score where there should be one for each class,
        or contains NaN (without `missing`).

    Examples
    --------
    >>> from stripe.outputs.predictions import predictions
    >>> predictions({"logits": torch.tensor([[0.1, 0.9], [0.8, 0.2]])})
    [1, 0]
    """
    boxes = _detections(output)
    numbers = [as_array(one.corners) for one in boxes] if boxes else _scores(output)
    nan = [bool(np.isnan(of_image).any()) for of_image in numbers]
    return without_nan(boxes or _read(np.asarray(numbers)), nan, missing)


def without_nan(found: list[Any], nan: list[bool], missing: bool) -> list[Any]:
    """Return predictions with `MISSING` for images whose output is NaN, or raise for these."""
    if not missing:
        refuse_nan(nan)
    return [MISSING if of_nan else one for of_nan, one in zip(nan, found, strict=True)]


def as_array(values: Tensor | np.ndarray) -> np.ndarray:
    """Return numbers as an array on the host; real numbers of a tensor in float32 or float64."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().to_dense().cpu()
    short = values.is_floating_point() and values.dtype != torch.float64
    return values.float().numpy() if short else values.numpy()


def _scores(output: Any) -> np.ndarray:
    """Return the scores in an output, if predictions can be read from them."""
    found = scores_in(output)
    scores = None if found is None else as_array(found)
    if scores is None or scores.ndim not in (2, 3, 4) or np.iscomplexobj(scores):
        came = type(output).__name__ if scores is None else f"shape {scores.shape}"
        raise ModelError(
            "predictions are read from class scores (B, classes), strings (B, T, classes), masks "
            f"(B, 1, H, W), maps (B, classes, H, W) or boxes, got {came}; say with predict= what "
            "it means"
        )
    if scores.ndim < 4 and scores.shape[-1] < 2:
        raise ModelError(
            f"predictions need scores of at least 2 classes, got shape {scores.shape}; say with "
            "predict= what a single number means, such as lambda output: output[:, 0] > 0"
        )
    return scores


def _read(scores: np.ndarray) -> list[Any]:
    """Return the prediction for each image from scores (B, classes), (B, T, classes) or maps."""
    if scores.ndim == 4:
        if scores.shape[1] == 1:
            least = MASK_THRESHOLD if are_probabilities(scores) else _MASK_LOGIT
            return list(scores[:, 0] > least)
        return list(scores.argmax(1).astype(np.min_scalar_type(scores.shape[1] - 1)))
    best = scores.argmax(-1)
    return best.tolist() if scores.ndim == 2 else [_collapsed(line) for line in best]


def _detections(output: Any) -> list[Boxes]:
    """Return the boxes of each image, an empty list if the output holds none."""
    if not isinstance(output, Sequence) or not output:
        return []
    if not all(isinstance(one, Mapping) and {"boxes", "labels"} <= set(one) for one in output):
        return []
    return [Boxes(as_array(one["boxes"]), as_array(one["labels"])) for one in output]


def _collapsed(symbols: np.ndarray) -> tuple[int, ...]:
    """Return a string without repetitions and blanks, which are symbol 0."""
    first = np.append(True, symbols[1:] != symbols[:-1])
    return tuple(symbols[first & (symbols != 0)].tolist())
