"""Learn constants for gates, so that the outputs of a network change least."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stripe.errors import ModelError, NoBatchError, StripeError
from stripe.gates.freezing.means import Means
from stripe.hooks.batches import numbered_batches
from stripe.hooks.mixed import sorted_by_class, warn_of_order
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.intervene.functions import function_of
from stripe.intervene.interventions import Interventions
from stripe.intervene.replaceable import replaceable_with
from stripe.intervene.replaced import paused
from stripe.intervene.sensitivity import check_unmoved
from stripe.modules.feed import feed
from stripe.modules.held_weights import held_weights
from stripe.modules.progress import progress_bar
from stripe.modules.undisturbed import undisturbed
from stripe.outputs.scores import PredictScores, check_differentiable, divergence, position_scores
from stripe.select import Selection
from stripe.typed import typed

#: Learning rate in units of the spread, the best of 0.1, 0.2 and 0.4 in docs/sensitivity.md.
LR = 0.2
#: How much more late steps count in the average of steps: a weight of about t ** LATE.
LATE = 3


@typed
def optimal_constants(
    model: nn.Module,
    loader: Iterable[Any],
    recording: Means,
    gates: Selection | None = "all",
    *,
    lr: float = LR,
    predict: PredictScores | None = None,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """Learn constants for gates, so that the outputs of a network change least.

    Learning starts at the means. Adam makes one pass over the images. The loss is the KL divergence
    between the unchanged network and the network with constants. The constants are a weighted
    average over the steps, in which late steps have the largest weights. The weights of the network
    stay unchanged.

    Parameters
    ----------
    model
        A network that outputs class scores, for each image or for each position. It runs in
        evaluation mode and is not changed.
    loader
        Batches of images in random order, because each batch is a step. Labels are used only to
        detect whether the images are sorted by class. Use other images to measure the gain.
    recording
        Source of the means, as for `stripe.freeze`.
    gates
        Gates to make constant, all at once: "all" (recorded gates), names, a pattern, or a
        predicate of `Gate`.
    lr
        Learning rate of Adam, in units of the gate's spread. The spread is the root mean square
        distance of the gate from its mean, over channels and the images of the first batch.
    predict, epoch, example, force, progress
        As for `stripe.sensitivity`.

    Returns
    -------
    dict
        A float64 vector (C,) for each gate, by name. Pass this dictionary to `stripe.freeze`
        instead of a recording.

    Raises
    ------
    UnknownNameError, RecordingError
        As for `stripe.sensitivity`.
    ModelError
        As for `stripe.sensitivity`; also if the divergence of a batch is not finite.
    StripeError
        If `lr` is not positive or not finite.

    Warns
    -----
    UserWarning
        If the images are sorted by class.

    Notes
    -----
    The constants compensate for each other, so they are optimal for this set of gates, but not for
    a subset. If `lr` is too large, they can be worse than the means, so compare both on other
    images.

    Examples
    --------
    >>> from stripe.intervene.optimal import optimal_constants
    >>> constants = optimal_constants(model, loader, recording, progress=False)
    >>> stripe.freeze(model, constants).report["folded"].tolist()
    [True, True, True]
    """
    if not 0 < lr < float("inf"):
        raise StripeError(f"lr must be positive, got {lr}")
    found, recorded = replaceable_with(model, recording, epoch=epoch, example=example, force=force)
    places = found.chosen(gates, recorded.gates)
    learned = {place.gate.name: _Learned(recorded.mean(place)) for place in places}
    functions = {p.gate.name: function_of(learned[p.gate.name], p, recorded) for p in places}
    steps = [constant.step for constant in learned.values()]
    optimiser, batches = torch.optim.Adam(steps, lr), 0
    known: list[np.ndarray] = []
    with (
        interrupts_held(),
        progress_bar(loader, "optimal constants", progress) as bar,
        undisturbed(found.model),
        held_weights(found.model),
        Interventions(found, functions),
        interrupts_allowed(),
    ):
        for _, images, labels in numbered_batches(loader):
            known += [] if labels is None else [labels.cpu().numpy()]
            loss = _divergence(found.model, images, predict)
            slopes: Sequence[Tensor | None] = torch.autograd.grad(loss, steps, allow_unused=True)
            for (name, constant), slope in zip(learned.items(), slopes, strict=True):
                if slope is None:
                    check_unmoved(name, *_moved(found.model, images, predict, constant))
                constant.step.grad = torch.zeros_like(constant.step) if slope is None else slope
            optimiser.step()
            batches += 1
            for constant in learned.values():
                constant.average(batches)
            bar.update()
    if not batches:
        raise NoBatchError
    if len(known) == batches and sorted_by_class(known):
        warn_of_order("the constants fit the last classes best")
    return {name: constant.vector() for name, constant in learned.items()}


class _Learned:
    """An intervention by a constant, which is learned in units of the spread of its gate.

    A step that is suitable for a gate with a large spread would move the constant of a gate that
    hardly varies far out of the gate's range.
    """

    def __init__(self, mean: np.ndarray) -> None:
        self._mean = torch.from_numpy(mean)
        self._spread: Tensor | None = None
        self.step = torch.zeros_like(self._mean, requires_grad=True)
        self._average = torch.zeros_like(self._mean)

    def __call__(self, values: Tensor) -> Tensor:
        if self._spread is None:
            distance = values.detach().to(self._mean) - self._mean
            self._spread = distance.square().mean().sqrt()
        return self._moved(self.step).to(values).expand_as(values)

    @contextmanager
    def moved(self) -> Iterator[None]:
        """Move the constant by one spread of its gate."""
        step = self.step
        self.step = step.detach() + 1
        try:
            yield
        finally:
            self.step = step

    def average(self, count: int) -> None:
        """Take the step number `count` into the average, which weights late steps most.

        A single step follows the noise of its batch. This is the polynomial-decay averaging of
        Shamir and Zhang (2013).
        """
        weight = (1 + LATE) / (count + LATE)
        self._average.lerp_(self.step.detach(), weight)

    def vector(self) -> np.ndarray:
        """Return the average constant, in float64."""
        moved: np.ndarray = self._moved(self._average).numpy()
        return moved

    def _moved(self, step: Tensor) -> Tensor:
        return self._mean if self._spread is None else self._mean + self._spread * step


def _moved(
    model: nn.Module, images: Tensor, predict: PredictScores | None, constant: _Learned
) -> tuple[Tensor, Tensor]:
    """Return the scores with a constant, and with the constant moved by one spread."""
    before = position_scores(feed(model, images), predict)
    with constant.moved():
        return before, position_scores(feed(model, images), predict)


def _divergence(model: nn.Module, images: Tensor, predict: PredictScores | None) -> Tensor:
    """Return the KL divergence of the network with constants from the unchanged one."""
    with paused():
        before = position_scores(feed(model, images), predict)
    with interrupts_held(), torch.enable_grad(), interrupts_allowed():
        after = position_scores(feed(model, images), predict)
        loss = divergence(before, after).mean()
    check_differentiable(after)
    if not loss.isfinite():
        raise ModelError(
            f"constants are learned from a finite divergence, got {loss.item()}; leave out images "
            "whose scores are NaN or infinite"
        )
    return loss
