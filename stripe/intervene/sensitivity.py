"""Estimate the cost of freezing gates, from gradients of the unchanged network."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor, nn

from stripe.defaults import DRAWS
from stripe.errors import ModelError, StripeError
from stripe.gates.freezing.means import Means
from stripe.gates.place import Place
from stripe.hooks.batches import numbered_batches
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.intervene.batch import Batch
from stripe.intervene.fisher import Sums
from stripe.intervene.functions import Function, check_one_row, whole
from stripe.intervene.interventions import Interventions
from stripe.intervene.replaceable import replaceable_with
from stripe.intervene.sensitivity_result import Sensitivity
from stripe.modules.feed import feed
from stripe.modules.held_weights import held_weights
from stripe.modules.progress import progress_bar
from stripe.modules.undisturbed import undisturbed
from stripe.outputs.scores import (
    PredictScores,
    check_differentiable,
    check_no_nan,
    position_scores,
)
from stripe.select import Selection
from stripe.typed import typed


@typed
def sensitivity(
    model: nn.Module,
    loader: Iterable[Any],
    recording: Means,
    gates: Selection | None = "all",
    *,
    draws: int = DRAWS,
    seed: int = 0,
    predict: PredictScores | None = None,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
    progress: bool = True,
) -> Sensitivity:
    """Estimate the cost of freezing each gate, channel and set of gates, without freezing.

    Let y be a label drawn from the network's own prediction p, g the gradient of log p(y) with
    respect to a gate, and d the recorded mean minus the gate. Then `a = g . d` is one number per
    image, drawn label and gate. Half the mean of `a^2` over images and drawn labels estimates half
    the Fisher information along d, which is the second-order expansion of the KL divergence caused
    by freezing the gate. For several gates, let a be the vector of these numbers, and A the mean of
    `a a^T`. The cost of a set S of gates is half the sum of A over S x S.

    If each position of an output has a label, as in sequences of symbols, masks and class maps, the
    labels are drawn independently, and log p(y) and the KL divergence are summed over the
    positions.

    Parameters
    ----------
    model
        A network that outputs class scores, for each image or for each position. It runs in
        evaluation mode and is not changed.
    loader
        Batches of images, as for `stripe.record`; labels are not used.
    recording
        Source of the means, as for `stripe.freeze`.
    gates
        Gates to measure: "all" (recorded gates), names, a pattern, or a predicate of `Gate`. Gates
        that are constants already (ASR) are not measured.
    draws
        Number of labels drawn per image. Each batch needs one backward pass per draw.
    seed
        Seed of the labels. The global random number generators are not used.
    predict
        Function from the output of the network to class scores (B, classes, ...). Default: the
        output itself, its `logits` or `out`, or its first tensor. This can be (B, classes), a
        sequence (B, T, classes), a mask (B, 1, H, W) or a class map (B, classes, H, W).
    epoch, example, force
        As for `stripe.intervene`.
    progress
        Show a progress bar.

    Returns
    -------
    Sensitivity
        A table by gate, a table by channel, and the matrix.

    Raises
    ------
    UnknownNameError
        If the model has no gate of a given name.
    RecordingError
        If the epoch was not recorded.
    ModelError
        In one of these cases:

        - there are no gates;
        - a gate cannot be replaced, has several rows per image, or is not recorded;
        - the recording was made with other weights;
        - the network does not output class scores, outputs NaN, or splits a batch into pieces;
        - no gradient reaches a gate on which the scores depend;
        - the loader is empty.
    StripeError
        If `draws` is less than 1.

    Notes
    -----
    The second-order expansion is accurate if freezing changes the log probabilities little. It can
    be far too small or too large if d is large or a gate is saturated, because g is the slope at
    the value of the gate, not the slope between that value and the mean. The gradient includes the
    reaction of later gates. In a frozen set, later gates cannot react, but the estimated cost of
    the set still includes their reactions.

    Each batch needs one forward pass with a graph, as in training, and `draws` backward passes. No
    gradients are computed for weights.

    References
    ----------
    Fisher information as the second derivative of the KL divergence: Kullback, "Information Theory
    and Statistics", 1959, section 2.6. The first-order column is the criterion of Molchanov et al.,
    "Pruning Convolutional Neural Networks for Resource Efficient Inference", ICLR 2017, equation 7,
    with d in place of the distance to zero.

    Examples
    --------
    >>> found = stripe.sensitivity(model, loader, recording, progress=False)
    >>> found.gates.sort_values("fisher").columns.tolist()
    ['gate', 'channels', 'first_order', 'fisher', 'fisher_se']
    >>> cost = found.cost("layer3.*")
    """
    if draws < 1:
        raise StripeError(f"draws is 1 or more, got {draws}")
    found, recorded = replaceable_with(
        model, recording, ("gate", "split"), epoch=epoch, example=example, force=force
    )
    places = found.chosen(gates, recorded.gates)
    probes = _Probes(places, {p.gate.name: torch.from_numpy(recorded.mean(p)) for p in places})
    interventions = Interventions(found, probes.functions)
    sums, generator = Sums(places), Generator().manual_seed(seed)
    with (
        interrupts_held(),
        progress_bar(loader, "sensitivity", progress) as bar,
        undisturbed(found.model),
        held_weights(found.model),
        torch.enable_grad(),
        interventions,
        interrupts_allowed(),
    ):
        for _, images, _ in numbered_batches(loader):
            probes.begin()
            scores = position_scores(feed(found.model, images), predict)
            sums.add(list(_changes(scores, probes, draws, generator)))
            for name in probes.unreached:
                with probes.at_mean(name):
                    moved = position_scores(feed(found.model, images), predict)
                check_unmoved(name, scores, moved)
            bar.update()
    return sums.result(draws)


class _Probe(NamedTuple):
    """A change of a gate that is zero, and the way from the gate to its mean; both (B, C)."""

    zero: Tensor
    way: Tensor


class _Probes:
    """Add zeros to gates, with respect to which gradients are taken."""

    def __init__(self, places: list[Place], means: Mapping[str, Tensor]) -> None:
        for place in places:
            check_one_row(place, "sensitivity")
        self._places = places
        self._means = means
        self._frozen: str | None = None
        self.of_pass: dict[str, _Probe] = {}
        #: Gates that no gradient has reached in this pass.
        self.unreached: list[str] = []

    @property
    def functions(self) -> dict[str, Function]:
        """The interventions, by gate."""
        return {p.gate.name: whole(p, self._function(p.gate.name)) for p in self._places}

    def begin(self) -> None:
        """Forget the last pass."""
        self.of_pass.clear()
        self.unreached = []

    @contextmanager
    def at_mean(self, name: str) -> Iterator[None]:
        """Hold a gate at its mean."""
        self._frozen = name
        try:
            yield
        finally:
            self._frozen = None

    def _function(self, name: str) -> Function:
        def probed(values: Tensor, batch: Batch) -> Tensor:
            if name == self._frozen:
                return self._means[name].to(values).expand_as(values)
            if name not in self.of_pass:  # several products may read one gate
                way = self._means[name].to(values) - values.detach()
                self.of_pass[name] = _Probe(torch.zeros_like(values, requires_grad=True), way)
            return values + self.of_pass[name].zero

        return probed


def _changes(
    scores: Float[Tensor, "b classes positions"], probes: _Probes, draws: int, generator: Generator
) -> Iterator[list[Float64[Tensor, "b channels"]]]:
    """Yield, for each draw of labels, the change of log p(y) along the way, by gate and channel."""
    check_differentiable(scores)
    log_p = scores.log_softmax(1)
    check_no_nan(log_p)
    rows = log_p.transpose(1, 2).flatten(0, 1)
    drawn = rows.detach().exp().cpu().multinomial(draws, replacement=True, generator=generator)
    labels = drawn.to(scores.device)
    zeros = [probe.zero for probe in probes.of_pass.values()]
    for draw in range(draws):
        chosen = rows.gather(1, labels[:, draw : draw + 1]).sum()
        slopes = torch.autograd.grad(
            chosen, zeros, retain_graph=draw < draws - 1, allow_unused=True
        )
        found = dict(zip(probes.of_pass, slopes, strict=True))
        probes.unreached = [name for name, slope in found.items() if slope is None]
        yield [_along(found[name], probe.way) for name, probe in probes.of_pass.items()]


def _along(slope: Tensor | None, way: Tensor) -> Float64[Tensor, "b channels"]:
    """Return the change along a way; zero where no gradient reached the gate."""
    slope = torch.zeros_like(way) if slope is None else slope
    return (slope.double() * way.double()).cpu()


def check_unmoved(name: str, before: Tensor, after: Tensor) -> None:
    """Raise if the scores depend on a gate that no gradient reached."""
    if not torch.equal(before, after):
        raise ModelError(
            f"an estimate needs gradients of the class scores with respect to the gate {name!r}, "
            "and none reaches it, though the scores depend on it; the network must not detach what "
            "it multiplies, or compute it under no_grad; leave it out with gates=[...]"
        )
