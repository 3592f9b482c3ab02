"""The class scores of a network, and the divergence of two outputs."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from stripe.errors import ModelError

#: Function from the output of a network to class scores (B, classes) before softmax.
Predict = Callable[[Any], Tensor]


def class_scores(output: Any, predict: Predict | None = None) -> Float[Tensor, "b classes"]:
    """Return the class scores in the output of a network, in float32 or float64.

    Parameters
    ----------
    output
        A tensor (B, classes), or a dictionary or object with such `logits`, as Hugging Face's
        models return.
    predict
        Function that returns the scores in an output of another form.

    Raises
    ------
    ModelError
        If there are no scores (B, classes).
    """
    found = output if predict is None else predict(output)
    if predict is None and not isinstance(found, Tensor):
        of_mapping = found.get("logits") if isinstance(found, Mapping) else None
        found = getattr(found, "logits", of_mapping)
    if not isinstance(found, Tensor) or found.ndim != 2 or not found.is_floating_point():
        came = tuple(found.shape) if isinstance(found, Tensor) else type(output).__name__
        raise ModelError(
            f"a network must put out class scores (B, classes), got {came}; give predict=, a "
            "function from its output to these"
        )
    return found.to(torch.promote_types(found.dtype, torch.float32))


def divergence(
    before: Float[Tensor, "b classes"], after: Float[Tensor, "b classes"]
) -> Float64[Tensor, " b"]:
    """Return the Kullback-Leibler divergence KL(before || after) of each image, in nats."""
    log_p, log_q = before.double().log_softmax(1), after.double().log_softmax(1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def mean_divergence(divergences: Float64[Tensor, " b"]) -> tuple[float, float, float]:
    """Return the mean over images, and its 95 % interval: plus or minus 1.96 standard errors.

    The lower end is at least 0; both are NaN for one image.
    """
    mean, count = float(divergences.mean()), len(divergences)
    spread = float(divergences.std(correction=1)) if count > 1 else float("nan")
    error = 1.96 * spread / count**0.5
    return mean, max(0.0, mean - error), mean + error
