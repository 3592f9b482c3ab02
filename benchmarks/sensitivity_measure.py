"""Measure one network of the sensitivity study: exact costs of gates and sets, and predictors."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import stripe
from stripe.gates.find import DEFAULT_KINDS
from stripe.intervene.compared import compare_constants
from stripe.intervene.functions import function_of
from stripe.intervene.interventions import Interventions
from stripe.intervene.optimal import optimal_constants
from stripe.intervene.recorded import RecordedValues
from stripe.intervene.replaceable import replaceable
from stripe.modules import undisturbed
from stripe.outputs.agreement import agreements
from stripe.outputs.predictions import predictions
from stripe.outputs.scores import divergence, position_scores
from stripe.recording import Recording
from stripe.stats import channel_moments, stripe_index

#: Draws of labels and numbers of images that estimates are made from; the last is the estimate.
EFFORTS = ((1, 64), (1, 256), (4, 64), (4, None))


class Exact:
    """The exact cost of freezing sets of gates, on images held out."""

    def __init__(self, model: nn.Module, recording: Recording, images: Sequence[Tensor]) -> None:
        recorded = RecordedValues(recording)
        self._images = images
        self._found = replaceable(model, DEFAULT_KINDS, example=images[0][:2])
        places = self._found.chosen("all", recorded.gates)
        self._means = {p.gate.name: function_of("mean", p, recorded) for p in places}
        self._before = self._outputs([])

    def cost(self, gates: Sequence[str]) -> dict[str, Any]:
        """Return KL divergence, its standard error, and agreement where these gates are frozen."""
        after = self._outputs(gates)
        pairs = zip(self._before.scores, after.scores, strict=True)
        kl = torch.cat([divergence(*pair) for pair in pairs])
        same = agreements(self._before.predictions, after.predictions).mean()
        error = float(kl.std()) / len(kl) ** 0.5
        return {"kl": float(kl.mean()), "kl_se": error, "agreement": float(same)}

    def accuracy(self, labels: Tensor) -> float:
        """Return the accuracy of the untouched network."""
        return float(np.mean(np.array(self._before.predictions) == labels.numpy()))

    def _outputs(self, gates: Sequence[str]) -> "_Outputs":
        functions = {name: self._means[name] for name in gates}
        with undisturbed(self._found.model), Interventions(self._found, functions):
            outputs = [self._found.model(batch) for batch in self._images]
        scores = [position_scores(output) for output in outputs]
        return _Outputs(scores, [one for output in outputs for one in predictions(output)])


class _Outputs(NamedTuple):
    """Scores (B, classes, positions) of each batch, and the prediction for each image."""

    scores: list[Tensor]
    predictions: list[Any]


def costs(
    model: nn.Module,
    known: Tensor,
    held_out: Tensor,
    sets: int,
    *,
    batch_size: int = 64,
    efforts: Sequence[tuple[int, int | None]] = EFFORTS,
) -> tuple[dict[str, Any], Exact]:
    """Return the cost of gates and sets of one network, and what predicts it.

    The means and all predictors come from the known images, exact costs from those held out.
    """
    batches = held_out.split(batch_size)
    with tempfile.TemporaryDirectory() as folder:
        recording = stripe.record(
            model, known.split(batch_size), Path(folder) / "r", inputs=False, progress=False
        )
        exact = Exact(model, recording, batches)
        estimates = [
            stripe.sensitivity(
                model, known[:count].split(batch_size), recording, draws=draws, progress=False
            )
            for draws, count in efforts
        ]
        gates = _gates(recording, estimates, efforts, exact)
        constants = _constants(model, known, batches, recording)
        of_sets = _sets(estimates[-1], exact, sets)
    return {"gates": gates, "sets": of_sets, "constants": constants}, exact


def _constants(
    model: nn.Module, known: Tensor, held_out: Sequence[Tensor], recording: Recording
) -> list[dict[str, Any]]:
    """Return how means and optimal constants of all gates do on the images held out."""
    options: dict[str, Any] = {"example": known[:2], "progress": False}
    vectors = optimal_constants(model, known.split(16), recording, **options)
    table = compare_constants(model, held_out, recording, vectors, **options)
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return records


def _gates(
    recording: Recording,
    estimates: Sequence[stripe.Sensitivity],
    efforts: Sequence[tuple[int, int | None]],
    exact: Exact,
) -> list[dict[str, Any]]:
    """Return for each gate alone its exact cost and every predictor."""
    moments = channel_moments(recording)
    index = stripe_index(moments).set_index("gate")
    size = moments.groupby("gate")["mean"].apply(lambda mean: float((mean**2).mean() ** 0.5))
    table = estimates[-1].gates
    rows = []
    for number, name in enumerate(table["gate"].tolist()):
        spread = float(index["within_var"][name]) ** 0.5 / size[name]
        by_effort = {
            f"fisher_{draws}_{count or 'all'}": float(found.gates["fisher"].iloc[number])
            for (draws, count), found in zip(efforts, estimates, strict=True)
        }
        rows.append({
            "gate": name,
            "fisher": float(table["fisher"].iloc[number]),
            "first_order": float(table["first_order"].iloc[number]),
            "1-eta2": 1 - float(index["eta2"][name]),
            "median_std": float(index["median_std"][name]),
            "relative_spread": spread,
            **by_effort,
            **exact.cost([name]),
        })  # fmt: skip
    return rows


def _sets(found: stripe.Sensitivity, exact: Exact, count: int) -> list[dict[str, Any]]:
    """Return exact and estimated costs of random sets and of those of the greedy order."""
    names = found.gates["gate"].tolist()
    rng = np.random.default_rng(0)
    greedy = found.greedy()["gate"].tolist()
    sizes = sorted({int(size) for size in np.linspace(2, len(names), min(len(names) - 1, count))})
    chosen = [("greedy", greedy[:size]) for size in sizes]
    for _ in range(count if len(names) > 2 else 0):
        size = int(rng.integers(2, len(names)))
        chosen.append(("random", rng.choice(names, size, replace=False).tolist()))
    return [
        {"kind": kind, "size": len(gates), "fisher": found.cost(gates), **exact.cost(gates)}
        for kind, gates in chosen
    ]
