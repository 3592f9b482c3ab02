"""Compare a network with its frozen version."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from stripe.audit.agreement import agreements, mean_interval
from stripe.audit.candidate import Candidate
from stripe.audit.images import Halves
from stripe.errors import StripeError

#: Function from a network's output for a batch to one prediction for each image.
Predict = Callable[[Any], Sequence[Any]]
#: A kind of agreement, or a function of two predictions of an image.
Agree = str | Callable[[Any, Any], float]


class Comparison:
    """Compares a network with itself after gates were frozen, on the images held out.

    Parameters
    ----------
    candidate
        The network.
    images
        The images.
    predict, agree
        As for `stripe.audit`.
    done
        Called after each network that was run.
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
        self._before = self._predictions(candidate.model)
        self._measured = {frozenset[str](): self._compared(self._before)}

    def measured(self, gates: Collection[str], make: Callable[[], Any]) -> dict[str, float]:
        """Return agreement and accuracy, with their intervals, where these gates are frozen.

        Each set is measured once.

        Parameters
        ----------
        gates
            Which gates.
        make
            Returns the network in which they are frozen.
        """
        which = frozenset(gates)
        if which not in self._measured:
            self._measured[which] = self._compared(self._predictions(make()))
        return self._measured[which]

    def _compared(self, now: list[Any]) -> dict[str, float]:
        shares = {"agreement": agreements(self._before, now, self._agree), **self._right(now)}
        row: dict[str, float] = {}
        for name, each in shares.items():
            low, high = mean_interval(each)
            row |= {name: float(each.mean()), f"{name}_low": low, f"{name}_high": high}
        return row

    def _right(self, predicted: list[Any]) -> dict[str, np.ndarray]:
        """Return of each image whether its label is predicted; NaN where there are none."""
        labels = self._images.labels
        if labels is None or not isinstance(predicted[0], int | np.integer):
            return {"accuracy": np.full(len(predicted), float("nan"))}
        return {"accuracy": np.equal(predicted, labels).astype(float)}

    def _predictions(self, model: Any) -> list[Any]:
        outputs = self._candidate.outputs(model, self._images.held_out)
        found = [one for output in outputs for one in self._predict(output)]
        if len(found) != (count := self._images.counts[1]):
            raise StripeError(
                f"predict= must return one prediction for each image, got {len(found)} for {count}"
            )
        self._done()
        return found
