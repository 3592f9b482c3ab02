"""Compare the predictions of a network with those of its frozen version."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stripe.audit.agreement import agreements, mean_interval
from stripe.audit.candidate import Candidate
from stripe.audit.images import Halves
from stripe.errors import StripeError
from stripe.intervene.scores import divergence, mean_divergence

#: Function from a network's output for a batch to one prediction for each image.
Predict = Callable[[Any], Sequence[Any]]
#: A kind of agreement, or a function of two predictions of an image.
Agree = str | Callable[[Any, Any], float]


class Comparison:
    """Compares the predictions of a network before and after freezing, on the held-out images.

    Parameters
    ----------
    candidate
        The network.
    images
        The images.
    predict, agree
        As for `stripe.audit`.
    done
        Function that is called after each run of a network over the images.
    """

    def __init__(
        self,
        candidate: Candidate,
        images: Halves,
        predict: Predict,
        agree: Agree | None,
        done: Callable[[], object] = lambda: None,
    ) -> None:
        self._candidate, self._images = candidate, images
        self._predict, self._agree, self._done = predict, agree, done
        self._before = self._outputs(candidate.model)
        self._measured = {frozenset[str](): self._compared(self._before)}

    def measured(self, gates: Collection[str], make: Callable[[], Any]) -> dict[str, float]:
        """Return agreement, accuracy and KL divergence, with their intervals, for frozen gates.

        Each set is measured once.

        Parameters
        ----------
        gates
            Names of the frozen gates.
        make
            Function that returns the network with these gates frozen.
        """
        which = frozenset(gates)
        if which not in self._measured:
            self._measured[which] = self._compared(self._outputs(make()))
        return self._measured[which]

    def known(self, gate: str) -> dict[str, float]:
        """Return the measurements with this gate alone frozen, empty if there are none."""
        return self._measured.get(frozenset([gate]), {})

    def _compared(self, now: "_Outputs") -> dict[str, float]:
        agree = agreements(self._before.predictions, now.predictions, self._agree)
        shares = {"agreement": agree, **self._right(now.predictions)}
        row: dict[str, float] = {}
        for name, each in shares.items():
            low, high = mean_interval(each)
            row |= {name: float(each.mean()), f"{name}_low": low, f"{name}_high": high}
        return row | dict(zip(("kl", "kl_low", "kl_high"), self._divergence(now), strict=True))

    def _divergence(self, now: "_Outputs") -> tuple[float, float, float]:
        """Return the mean KL divergence in nats, and its interval; NaN without class scores."""
        if self._before.scores is None or now.scores is None:
            return (float("nan"),) * 3
        return mean_divergence(divergence(self._before.scores, now.scores))

    def _right(self, predicted: list[Any]) -> dict[str, np.ndarray]:
        """Return, for each image, whether its label is predicted; NaN without labels."""
        labels = self._images.labels
        if labels is None or not isinstance(predicted[0], int | np.integer):
            return {"accuracy": np.full(len(predicted), float("nan"))}
        return {"accuracy": np.equal(predicted, labels).astype(float)}

    def _outputs(self, model: Any) -> "_Outputs":
        found: list[Any] = []
        scores: list[Tensor | None] = []
        for output in self._candidate.outputs(model, self._images.held_out):
            found.extend(_listed(self._predict(output)))
            scores.append(self._candidate.scores(output))
        if len(found) != (count := self._images.counts[1]):
            raise StripeError(
                f"predict= must return one prediction for each image, got {len(found)} for {count}"
            )
        self._done()
        of_batches = [batch.cpu() for batch in scores if batch is not None]
        return _Outputs(found, torch.cat(of_batches) if len(of_batches) == len(scores) else None)


def _listed(predictions: Any) -> list[Any]:
    """Return the predictions of a batch, with numbers of Python for tensors of one number."""
    if not isinstance(predictions, Iterable) or getattr(predictions, "ndim", 1) == 0:
        raise StripeError(
            "predict= must return one prediction for each image of a batch, got "
            f"{type(predictions).__name__}"
        )
    return [p.item() if getattr(p, "ndim", None) == 0 else p for p in predictions]


class _Outputs(NamedTuple):
    """The predictions of a network for all images, and its class scores if it has them."""

    predictions: list[Any]
    scores: Float[Tensor, "images classes"] | None
