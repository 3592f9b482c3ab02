"""Measure the effect of each intervention on each gate."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.errors import StripeError
from stripe.gates.feed import feed
from stripe.gates.means import Means
from stripe.hooks.batches import numbered_batches
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.intervene.functions import Function, How, function_of, needs_recording
from stripe.intervene.interventions import Interventions
from stripe.intervene.replaceable import Replaceable, replaceable_with
from stripe.intervene.scores import (
    Predict,
    check_no_nan,
    class_scores,
    divergence,
    mean_divergence,
)
from stripe.modules.progress import progress_bar
from stripe.modules.undisturbed import undisturbed
from stripe.select import Selection
from stripe.stats.share import share_interval

#: Default interventions; class means are added if there are labels.
ABLATIONS = ("mean", "grand_mean", "shuffle", "resample", "one", "zero")

_MEASURES = ("agreement", "kl", "accuracy")
COLUMNS = ["intervention", "gate", *(m + end for m in _MEASURES for end in ("", "_low", "_high"))]

_Batches = Sequence[tuple[Tensor, Tensor | None]]


def ablate(
    model: nn.Module,
    loader: Iterable[Any],
    recording: Means | None = None,
    interventions: Sequence[str] | Mapping[str, How] = ABLATIONS,
    gates: Selection | None = "all",
    *,
    alone: bool = True,
    seed: int = 0,
    predict: Predict | None = None,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the effect of each intervention, on each gate alone and on all gates together.

    Parameters
    ----------
    model
        A classifier. It runs in evaluation mode and is not changed.
    loader
        Batches of images, or (images, labels), which are kept in memory. Use other images than the
        recorded ones.
    recording
        Recorded values for the interventions, as for `stripe.intervene`.
    interventions
        Names of interventions, or a mapping from your own names to interventions, in the forms that
        `stripe.intervene` accepts.
    gates
        Gates to replace: "all", names, a pattern, or a predicate of `Gate`.
    alone
        Also replace each gate alone. If False, only replace all gates together.
    seed
        Seed of "shuffle" and "resample". Every row starts from it.
    predict
        Function from the output of the network to class scores (B, classes). Default: the output
        itself, its `logits` or `out`, or its first tensor.
    epoch, example, force
        As for `stripe.intervene`.
    progress
        Show a progress bar.

    Returns
    -------
    DataFrame
        The first row is the unchanged network, with the intervention "none". Then, each
        intervention has a row for each gate and, if there are several gates, a row for "all".

        - intervention, gate;
        - agreement: share of images with the same prediction as in the unchanged network;
        - kl: mean KL divergence from the unchanged network, in nats;
        - accuracy: 0 to 1; NaN without labels;
        - agreement_low, agreement_high and so on: 95 % intervals of these three over images.

    Raises
    ------
    StripeError
        If the loader is empty.
    ModelError
        As for `stripe.intervene`, or if the network does not output class scores, or outputs NaN.

    Notes
    -----
    The intervals of agreement and accuracy are Wilson's. The interval of kl is the mean plus or
    minus 1.96 standard errors. All rows use the same images, so two rows can differ even if their
    intervals overlap. If the scores of an image become NaN, its prediction counts as changed and as
    wrong, and the kl of the row is NaN.
    """
    hows = _by_name(interventions)
    found, recorded = replaceable_with(model, recording, epoch=epoch, example=example, force=force)
    looks_up = recording is not None and any(map(needs_recording, hows.values()))
    places = found.chosen(gates, recorded.gates if looks_up else None)
    batches = [(images, labels) for _, images, labels in numbered_batches(loader)]
    if not batches:
        raise StripeError("a loader must give at least one batch, got none")
    run = _Run(found, batches, seed, predict)
    before = run.scores({})
    check_no_nan(before)
    rows = [{"intervention": "none", "gate": "", **_measured(before, before, run.labels)}]
    together = not alone or len(places) > 1
    steps = len(hows) * (alone * len(places) + together)
    with progress_bar(steps, "ablate", progress, unit=" rows") as bar:
        for name, how in hows.items():
            functions = {p.gate.name: function_of(how, p, recorded) for p in places}
            sets = {gate: {gate: functions[gate]} for gate in functions if alone}
            for gate, replaced in (sets | ({"all": functions} if together else {})).items():
                measured = _measured(before, run.scores(replaced), run.labels)
                rows.append({"intervention": name, "gate": gate, **measured})
                bar.update()
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_name(interventions: Sequence[str] | Mapping[str, How]) -> Mapping[str, How]:
    if isinstance(interventions, Mapping):
        return interventions
    return {name: name for name in interventions}


class _Run(NamedTuple):
    """A network and the images that it runs on."""

    found: Replaceable
    batches: _Batches
    seed: int
    predict: Predict | None

    @property
    def labels(self) -> Tensor | None:
        """The label of every image, None where some have none."""
        labels = [of_batch for _, of_batch in self.batches if of_batch is not None]
        return torch.cat(labels).cpu() if len(labels) == len(self.batches) else None

    def scores(self, functions: Mapping[str, Function]) -> Float[Tensor, "images classes"]:
        """Return the class scores of all images, with functions instead of gates."""
        scores, model = [], self.found.model
        replaced = Interventions(self.found, functions, self.seed)
        with interrupts_held(), undisturbed(model), replaced, interrupts_allowed():
            for images, labels in self.batches:
                replaced.labels = labels
                scores.append(class_scores(feed(model, images), self.predict).cpu())
        return torch.cat(scores)


def _measured(
    before: Float[Tensor, "images classes"],
    after: Float[Tensor, "images classes"],
    labels: Tensor | None,
) -> dict[str, float]:
    """Return the three measures with their intervals."""
    predicted = after.argmax(1).where(~after.isnan().any(1), -1)
    nothing = (float("nan"),) * 3
    measures = {
        "agreement": _share(predicted == before.argmax(1)),
        "kl": mean_divergence(divergence(before, after)),
        "accuracy": nothing if labels is None else _share((predicted == labels) & (predicted >= 0)),
    }
    return {
        name + end: value
        for name, values in measures.items()
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }


def _share(right: Tensor) -> tuple[float, float, float]:
    share = float(right.double().mean())
    return (share, *share_interval(share, len(right)))
