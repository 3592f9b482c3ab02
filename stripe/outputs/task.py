"""Read outputs as predictions, and compare them: agreement, accuracy, KL, with intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stripe.errors import NoBatchError, StripeError
from stripe.outputs.agreement import Agreement, agreements, check_agree, mean_interval
from stripe.outputs.equality import holds_nan
from stripe.outputs.predictions import MISSING, predictions, without_nan
from stripe.outputs.scores import (
    class_scores,
    class_scores_or_none,
    divergence,
    mean_divergence,
)
from stripe.warn import warn

#: Function from a network's output for a batch to class scores (B, classes), or to one prediction
#: for each image.
Predict = Callable[[Any], Tensor | Sequence[Any]]
#: A kind of agreement, or a function of two predictions of an image.
Agree = str | Agreement

#: What a comparison measures. Each measure has an interval, from MEASURE_low to MEASURE_high.
MEASURES = ("agreement", "kl", "accuracy")


class Read(NamedTuple):
    """What a network predicts for images: a prediction for each, and class scores if it has them.

    Parameters
    ----------
    predictions
        One for each image, `MISSING` where scores are NaN.
    scores
        Class scores (images, classes); None without.
    """

    predictions: list[Any]
    scores: Float[Tensor, "images classes"] | None


@dataclass(frozen=True)
class Task:
    """How the outputs of a network are read, and how two of its predictions are compared.

    Parameters
    ----------
    predict
        Function from the output for a batch to one prediction for each image, or to class scores: a
        real tensor (B, classes), whose largest score is the prediction. Default:
        `stripe.outputs.predictions.predictions`.
    agree
        Agreement of two predictions of an image, as for `stripe.outputs.agreement.agreements`. A
        function gets each row of class scores that `predict` returns, and not the largest score.
    scores
        Function from an output to the class scores in it, or None, for the divergence. It is not
        called if `predict` returns class scores, or predictions that are not whole numbers.

    Raises
    ------
    UnknownNameError
        If `agree` names no agreement.
    """

    predict: Predict | None = None
    agree: Agree | None = None
    scores: Callable[[Any], Tensor | None] = class_scores_or_none

    def __post_init__(self) -> None:
        if self.predict is not None and not callable(self.predict):
            raise StripeError(
                "predict= must be a function from the output of a network to predictions, got "
                f"{type(self.predict).__name__}"
            )
        check_agree(self.agree)

    def read(self, outputs: Iterable[tuple[int, Any]], *, missing: bool = False) -> Read:
        """Read the outputs for all images.

        Parameters
        ----------
        outputs
            For each batch, its number of images and the output for it.
        missing
            Predict `MISSING` for an image whose scores are NaN, instead of raising an error.

        Raises
        ------
        ModelError
            If no prediction can be read, or scores are NaN (without `missing`).
        StripeError
            If a batch has another number of predictions than images, or there are no batches.
        """
        of_batches = [self._read(output, count, missing) for count, output in outputs]
        if not of_batches:
            raise NoBatchError
        found = [one for of_batch in of_batches for one in of_batch.predictions]
        scores = [of_batch.scores for of_batch in of_batches if of_batch.scores is not None]
        return Read(found, torch.cat(scores) if len(scores) == len(of_batches) else None)

    def measures(self, before: Read, now: Read, labels: np.ndarray | None) -> dict[str, float]:
        """Compare predictions with those of the unchanged network.

        Parameters
        ----------
        before, now
            What the unchanged network predicts, and what the changed one predicts.
        labels
            The label of each image; None without.

        Returns
        -------
        dict
            agreement, 0 to 1; kl, the mean KL divergence in nats, NaN without class scores;
            accuracy, NaN without labels or if predictions are not whole numbers; and the 95 %
            interval of each, from _low to _high.
        """
        _warn_of_labels(before, labels)
        shares = {
            "agreement": agreements(before.predictions, now.predictions, self.agree),
            "accuracy": right(now.predictions, labels),
        }
        found = {name: (float(each.mean()), *mean_interval(each)) for name, each in shares.items()}
        found["kl"] = _mean_kl(before, now)
        return {
            name + end: value
            for name in MEASURES
            for end, value in zip(("", "_low", "_high"), found[name], strict=True)
        }

    def _read(self, output: Any, count: int, missing: bool) -> Read:
        """Return the predictions and the scores in the output for one batch."""
        found = output if self.predict is None else self.predict(output)
        if self.predict is not None and not callable(self.agree) and _are_scores(found):
            output = class_scores(torch.as_tensor(found), _same)
            found, scores = predictions(output, missing=missing), output
        elif self.predict is None:
            found, scores = predictions(output, missing=missing), self.scores(output)
        else:
            found = as_list(found)
            if not callable(self.agree):
                found = without_nan(found, list(map(holds_nan, found)), missing)
            scores = self.scores(output) if _are_labels(found) else None
        _check_count(found, count)
        return Read(found, None if scores is None else scores.cpu())


def as_list(found: Any) -> list[Any]:
    """Return the predictions of a batch on the host, with numbers of Python for single numbers."""
    one_thing = isinstance(found, str | bytes | Mapping | Set) or getattr(found, "ndim", 1) == 0
    if one_thing or not isinstance(found, Iterable):
        raise StripeError(
            "predict= must return one prediction for each image of a batch, got "
            f"{type(found).__name__}; return a list or a tensor"
        )
    rows = found.cpu() if isinstance(found, Tensor) else found
    return [one.item() if getattr(one, "ndim", None) == 0 else one for one in rows]


def right(found: Sequence[Any], labels: np.ndarray | None) -> Float[np.ndarray, " images"]:
    """Return, for each image, whether its label is predicted: 1 or 0, or NaN if that is unknown."""
    if labels is None or not _are_labels(found):
        return np.full(len(found), float("nan"))
    pairs = zip(found, labels.tolist(), strict=True)
    return np.array([float(one is not MISSING and one == label) for one, label in pairs])


def _warn_of_labels(before: Read, labels: np.ndarray | None) -> None:
    """Say that labels are not those of the network, of which all count as wrong."""
    if labels is None or before.scores is None or not _are_labels(before.predictions):
        return
    classes, low, high = before.scores.shape[-1], labels.min(), labels.max()
    if low < 0 or high >= classes:
        warn(
            f"labels must be 0 to {classes - 1}, the classes of the network, got {low} to {high}; "
            "predictions of images with other labels count as wrong"
        )


def _mean_kl(before: Read, now: Read) -> tuple[float, float, float]:
    """Return the mean KL divergence in nats, and its interval; NaN without class scores."""
    if before.scores is None or now.scores is None:
        return (float("nan"),) * 3
    return mean_divergence(divergence(before.scores, now.scores))


def _are_scores(found: Any) -> bool:
    """Tell whether a function returned class scores, and not one prediction for each image."""
    if not isinstance(found, Tensor | np.ndarray) or found.ndim != 2:
        return False
    return bool(found.is_floating_point() if isinstance(found, Tensor) else found.dtype.kind == "f")


def _are_labels(found: Sequence[Any]) -> bool:
    """Tell whether predictions are whole numbers, and may be classes."""
    return all(isinstance(one, int | np.integer) or one is MISSING for one in found)


def _same(scores: Tensor) -> Tensor:
    return scores


def _check_count(found: Sequence[Any], count: int) -> None:
    if len(found) != count:
        raise StripeError(
            f"a batch needs one prediction for each image, got {len(found)} for {count} images; "
            "return as many from predict="
        )
