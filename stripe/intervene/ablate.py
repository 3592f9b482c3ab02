"""Measure the effect of each intervention on each gate; `outputs/task.py` computes it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from stripe.errors import StripeError
from stripe.gates.freezing.means import Means
from stripe.hooks.batches import numbered_batches
from stripe.hooks.mixed import mixed
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.intervene.functions import Function, How, check_names, function_of, needs_recording
from stripe.intervene.interventions import Interventions
from stripe.intervene.replaceable import Replaceable, replaceable_with
from stripe.modules.feed import feed
from stripe.modules.progress import progress_bar
from stripe.modules.seeded import generator_kept
from stripe.modules.undisturbed import undisturbed
from stripe.outputs.task import MEASURES, Agree, Predict, Read, Task
from stripe.select import Selection
from stripe.typed import typed

#: Default interventions; class means are added if there are labels.
ABLATIONS = ("mean", "grand_mean", "shuffle", "resample", "one", "zero")

COLUMNS = ["intervention", "gate", *(m + end for m in MEASURES for end in ("", "_low", "_high"))]

Batches = Sequence[tuple[Tensor, Tensor | None]]


@typed
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
    agree: Agree | None = None,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the effect of each intervention, on each gate alone and on all gates together.

    Parameters
    ----------
    model
        A network for any task. It runs in evaluation mode and is not changed.
    loader
        Batches of images, or (images, labels), which are kept in memory. Use images other than the
        recorded ones.
    recording
        Recorded values for the interventions, as for `stripe.intervene`.
    interventions
        Names of interventions, or a mapping from your own names to interventions, in the forms that
        `stripe.intervene` accepts. Default: "mean", "grand_mean", "shuffle", "resample", "one" and
        "zero".
    gates
        Gates to replace: "all", names, a pattern, or a predicate of `Gate`.
    alone
        Also replace each gate alone. If False, only replace all gates together.
    seed
        Seed of "shuffle" and "resample". Every row starts from it.
    predict, agree
        How outputs are read and predictions compared, as for `stripe.audit`.
    epoch, example, force
        As for `stripe.intervene`.
    progress
        Show a progress bar.

    Returns
    -------
    DataFrame
        The first row is the unchanged network, with the intervention "none" and the gate "". Then,
        each intervention has a row for each gate (if `alone`), and a row for the gate "all" (if
        there are several gates, or `alone` is False).

        - intervention, gate;
        - agreement: mean agreement with the predictions of the unchanged network; for a classifier,
          the share of equal labels;
        - kl: mean KL divergence from the unchanged network, in nats; NaN without class scores;
        - accuracy: 0 to 1; NaN without labels, or if the predictions are not whole numbers;
        - agreement_low, agreement_high and so on: 95 % intervals of these three over images.

    Raises
    ------
    UnknownNameError
        If the model has no gate of a given name, or `agree` names no agreement.
    RecordingError
        As for `stripe.intervene`.
    ModelError
        As for `stripe.intervene`; also if the kind of the output is unknown and `predict` is not
        given, or if the unchanged network outputs NaN.
    StripeError
        If the loader is empty, `predict` does not return one prediction for each image, or
        "shuffle" is measured together with an array (B, C).

    Notes
    -----
    The intervals of agreement and accuracy are those of `stripe.outputs.agreement.mean_interval`.
    The interval of kl is the mean plus or minus 1.96 standard errors. All rows use the same images,
    so the difference between two rows can be significant even if their intervals overlap. If the
    scores of an image become NaN, its prediction counts as changed and as wrong, and the kl of the
    row is NaN. If "shuffle" is measured, the images are mixed among the batches, so that "shuffle"
    draws from all classes. Functions then get the images in another order.

    Examples
    --------
    >>> from stripe.intervene.ablate import ablate
    >>> table = ablate(model, loader, recording, ["mean", "one"], progress=False)
    >>> table[["intervention", "gate", "agreement", "kl"]]
    """
    planned = ablations(
        model,
        loader,
        recording,
        interventions,
        gates,
        alone=alone,
        seed=seed,
        predict=predict,
        agree=agree,
        epoch=epoch,
        example=example,
        force=force,
        progress=progress,
    )
    return pd.DataFrame(planned.rows, columns=COLUMNS)


class Ablations(NamedTuple):
    """The rows of `ablate`, each measured when it is asked for, and their number."""

    total: int
    rows: Iterator[dict[str, Any]]


def ablations(
    model: nn.Module,
    loader: Iterable[Any],
    recording: Means | None,
    interventions: Sequence[str] | Mapping[str, How],
    gates: Selection | None,
    *,
    alone: bool = True,
    seed: int = 0,
    predict: Predict | None = None,
    agree: Agree | None = None,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
    progress: bool = True,
) -> Ablations:
    """Plan the rows of `ablate`; the arguments are checked at once."""
    task = Task(predict, agree)
    hows = _by_name(interventions)
    found, recorded = replaceable_with(model, recording, epoch=epoch, example=example, force=force)
    looks_up = recording is not None and any(map(needs_recording, hows.values()))
    places = found.chosen(gates, recorded.gates if looks_up else None)
    batches = _batches(loader, mix=_needs_mix(hows))
    together = not alone or len(places) > 1
    steps = len(hows) * (alone * len(places) + together)

    def sets() -> Iterator[tuple[str, str, Mapping[str, Function]]]:
        for name, how in hows.items():
            functions = {p.gate.name: function_of(how, p, recorded) for p in places}
            for gate in functions if alone else ():
                yield name, gate, {gate: functions[gate]}
            if together:
                yield name, "all", functions

    run = _Run(found, batches, seed, task)
    return Ablations(1 + steps, _measured(run, sets(), steps, progress))


def _needs_mix(hows: Mapping[str, How]) -> bool:
    """Return whether an intervention draws from the batch, which should then hold all classes."""
    forms = [form for how in hows.values() for form in _forms(how)]
    if not any(isinstance(form, str) and form == "shuffle" for form in forms):
        return False
    if any(getattr(form, "ndim", 0) == 2 for form in forms):
        raise StripeError(
            'rows of a gate belong to images in their order, and "shuffle" mixes the images; '
            "measure the two in separate calls"
        )
    return True


def _forms(how: How) -> list[Any]:
    return list(how.values()) if isinstance(how, Mapping) else [how]


def _batches(loader: Iterable[Any], *, mix: bool) -> Batches:
    """Return images and labels; a last image that comes alone joins the batch before it.

    "shuffle" needs two images in a batch.
    """
    with generator_kept():
        read = ((images, labels) for _, images, labels in numbered_batches(loader))
        batches = mixed(read) if mix else list(read)
    batches = [batch for batch in batches if len(batch[0])]
    if not batches:
        raise StripeError("a loader must give at least one image, got none")
    if len(batches) > 1 and len(batches[-1][0]) == 1 < len(batches[-2][0]):
        pairs = list(zip(*batches[-2:], strict=True))
        one_size = pairs[0][0].shape[1:] == pairs[0][1].shape[1:]
        both = all(isinstance(one, Tensor) for one in pairs[1]) or pairs[1] == (None, None)
        if one_size and both:
            labels = None if pairs[1][0] is None else torch.cat(pairs[1])
            batches[-2:] = [(torch.cat(pairs[0]), labels)]
    return batches


def _measured(
    run: "_Run",
    sets: Iterable[tuple[str, str, Mapping[str, Function]]],
    steps: int,
    progress: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the row of the unchanged network, and of each set of functions."""
    before, labels = run.read({}, missing=False), batch_labels(run.batches)
    yield {"intervention": "none", "gate": "", **run.task.measures(before, before, labels)}
    with progress_bar(steps, "ablate", progress, unit=" rows") as bar:
        for name, gate, replaced in sets:
            measured = run.task.measures(before, run.read(replaced), labels)
            bar.update()
            yield {"intervention": name, "gate": gate, **measured}


def _by_name(interventions: Sequence[str] | Mapping[str, How]) -> Mapping[str, How]:
    if not isinstance(interventions, Mapping):
        interventions = {name: name for name in interventions}
    for how in interventions.values():
        check_names(how)
    return interventions


class _Run(NamedTuple):
    """A network and the images that it runs on."""

    found: Replaceable
    batches: Batches
    seed: int
    task: Task

    def read(self, functions: Mapping[str, Function], *, missing: bool = True) -> Read:
        """Return the predictions for all images, with functions instead of gates."""
        model, replaced = self.found.model, Interventions(self.found, functions, self.seed)
        with interrupts_held(), undisturbed(model), replaced, interrupts_allowed():
            return self.task.read(self._outputs(replaced), missing=missing)

    def _outputs(self, replaced: Interventions) -> Iterator[tuple[int, Any]]:
        for images, labels in self.batches:
            replaced.labels = labels
            yield len(images), feed(self.found.model, images)


def batch_labels(batches: Batches) -> np.ndarray | None:
    """Return the label of every image, None if some have none."""
    labels = [of_batch.cpu().numpy() for _, of_batch in batches if of_batch is not None]
    return np.concatenate(labels) if len(labels) == len(batches) else None
