"""Class scores of each image or position, and their KL divergence with its interval."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from stripe.errors import ModelError

#: Function from the output of a network to class scores or probabilities: (B, classes), or
#: (B, classes, ...) where each position has scores.
PredictScores = Callable[[Any], Tensor]


#: Largest deviation of a sum of probabilities from 1; outputs may be in half precision.
_ROUNDING = 1e-2

#: The names of scores in the outputs of libraries, in the order of the search.
_NAMES = ("logits", "out")


def scores_in(output: Any) -> Tensor | np.ndarray | None:
    """Return the scores in an output of a network, None if it holds no tensor.

    They are the output itself, its `logits` or `out`, or else the first tensor in a tuple, mapping,
    dataclass or object. Single numbers, such as a loss, are not scores.
    """
    if isinstance(output, Tensor | np.ndarray):
        return output
    entries = _entries(output)
    named = [entries[name] for name in _NAMES if name in entries]
    found = (part for part in (*named, *entries.values()) if isinstance(part, Tensor | np.ndarray))
    return next((part for part in found if part.ndim), None)


def _entries(output: Any) -> Mapping[Any, Any]:
    """Return the parts of an output by their names, or by their places without names."""
    if isinstance(output, Mapping):
        return output
    if isinstance(output, tuple | list):
        names: Iterable[Any] = getattr(output, "_fields", range(len(output)))
        return dict(zip(names, output, strict=True))
    if is_dataclass(output):
        return {field.name: getattr(output, field.name) for field in fields(output)}
    return getattr(output, "__dict__", {})


def class_scores(output: Any, predict: PredictScores | None = None) -> Float[Tensor, "b classes"]:
    """Return the class scores in the output of a network, in float32 or float64.

    Parameters
    ----------
    output
        A tensor (B, classes), or a tuple, mapping, dataclass or object that holds one, as
        `scores_in` finds it. If each row is a distribution, as after a softmax, its logarithms are
        the scores.
    predict
        Function that returns the scores, or probabilities, in an output of another form.

    Raises
    ------
    ModelError
        If there are no scores (B, classes), or only one for each image, of which every divergence
        is 0.
    """
    found = scores_in(output) if predict is None else predict(output)
    return _logarithms(_checked(found, output))


def _checked(found: Any, output: Any) -> Float[Tensor, "b classes"]:
    """Return what was found in an output, if it is class scores."""
    if not isinstance(found, Tensor) or found.ndim != 2 or not found.is_floating_point():
        came = tuple(found.shape) if isinstance(found, Tensor) else type(output).__name__
        raise ModelError(
            f"a network must output class scores (B, classes), got {came}; give predict=, a "
            "function from its output to these"
        )
    return _several(found.to(torch.promote_types(found.dtype, torch.float32)))


def position_scores(
    output: Any, predict: PredictScores | None = None
) -> Float[Tensor, "b classes positions"]:
    """Return the class scores of each position in the output of a network.

    Parameters
    ----------
    output
        Scores as for `class_scores`, which have one position, or one of the other forms that
        `stripe.outputs.predictions.predictions` reads from a tensor: strings (B, T, classes), class
        maps (B, classes, H, W), or masks (B, 1, H, W), whose places have the classes off and on.
        The values of a mask are logits, unless all are between 0 and 1.
    predict
        Function that returns the scores (B, classes, ...) in an output of another form.

    Raises
    ------
    ModelError
        If there are no such scores.
    """
    found = scores_in(output) if predict is None else predict(output)
    if not isinstance(found, Tensor) or found.ndim < 3 or not found.is_floating_point():
        scores = _checked(found, output)[..., None]
    else:
        scores = found.to(torch.promote_types(found.dtype, torch.float32))
        scores = _several(_classes_first(scores) if predict is None else scores).flatten(2)
    return _logarithms(scores)


def _classes_first(scores: Tensor) -> Float[Tensor, "b classes *positions"]:
    """Return strings, masks or maps with the classes on axis 1."""
    if scores.ndim == 3:
        return scores.transpose(1, 2)
    if scores.ndim == 4:
        return _both(scores) if scores.shape[1] == 1 else scores
    raise ModelError(
        f"a network must output class scores (B, classes), strings (B, T, classes), masks "
        f"(B, 1, H, W) or maps (B, classes, H, W), got {tuple(scores.shape)}; give predict=, a "
        "function from its output to scores (B, classes, ...)"
    )


def _several(
    scores: Float[Tensor, "b classes *positions"],
) -> Float[Tensor, "b classes *positions"]:
    """Raise if there is only one class, of which every divergence is 0."""
    if scores.shape[1] < 2:
        raise ModelError(
            f"a network must output scores of at least 2 classes, got {tuple(scores.shape)}; give "
            "predict=, a function from its output to these"
        )
    return scores


def _both(mask: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
    """Return probabilities of off and on, or scores where the mask has logits."""
    if are_probabilities(mask.detach()):
        return torch.cat([1 - mask, mask], 1)
    return torch.cat([torch.zeros_like(mask), mask], 1)


def are_probabilities(mask: Tensor | np.ndarray) -> bool:
    """Tell whether the values of a mask are probabilities, and not logits; NaN may be either."""
    return not bool(((mask < 0) | (mask > 1)).any())


def class_scores_or_none(output: Any) -> Float[Tensor, "b classes"] | None:
    """Return the class scores in the output of a network, None if it has none."""
    try:
        return class_scores(output)
    except ModelError:
        return None


def _logarithms(
    scores: Float[Tensor, "b classes *positions"],
) -> Float[Tensor, "b classes *positions"]:
    """Return the logarithms of probabilities, whose softmax they are; other scores unchanged."""
    values = scores.detach()
    sums = bool(((values.sum(1) - 1).abs() <= _ROUNDING).all())
    if not len(values) or not sums or bool((values < 0).any()):
        return scores
    return scores.clamp_min(torch.finfo(scores.dtype).tiny).log()


def check_differentiable(scores: Tensor) -> None:
    """Raise a `ModelError` if no gradient of scores can be computed."""
    if not scores.requires_grad:
        raise ModelError(
            "an estimate needs gradients of the class scores with respect to the gates, and the "
            "network gives none; it must not detach them, or run under no_grad or inference_mode"
        )


def check_no_nan(scores: Tensor | np.ndarray) -> None:
    """Raise a `ModelError` if scores, (images, ...), are NaN, because no class is predicted."""
    refuse_nan(torch.as_tensor(scores).isnan().flatten(1).any(1).tolist())


def refuse_nan(images: Sequence[bool]) -> None:
    """Raise a `ModelError` if the outputs for some images of a batch hold NaN."""
    if any(images):
        raise ModelError(
            f"a network must output numbers, got NaN for {sum(images)} of {len(images)} images "
            "of a batch; leave these images out, or run the network in float32"
        )


def divergence(
    before: Float[Tensor, "b classes *positions"], after: Float[Tensor, "b classes *positions"]
) -> Float64[Tensor, " b"]:
    """Return the Kullback-Leibler divergence KL(before || after) of each image, in nats.

    The divergences of all positions are added.
    A class with probability 0 before, such as a class with a score of minus infinity, adds 0.
    """
    log_p, log_q = before.double().log_softmax(1), after.double().log_softmax(1)
    p = log_p.exp()
    return (p * torch.where(p == 0, 0.0, log_p - log_q)).flatten(1).sum(1)


def mean_divergence(divergences: Float64[Tensor, " b"]) -> tuple[float, float, float]:
    """Return the mean over images, and its 95 % interval: plus or minus 1.96 standard errors.

    The lower end is at least 0. Both are NaN for one image, or if a divergence is NaN.
    """
    mean, count = float(divergences.mean()), len(divergences)
    spread = float(divergences.std(correction=1)) if count > 1 else float("nan")
    error = 1.96 * spread / count**0.5
    return mean, float(np.maximum(0.0, mean - error)), mean + error  # max() drops NaN
