"""Measure what freezing gates costs, beside what predicts it.

python -m benchmarks.sensitivity_study trains each network, or takes it from the store, and keeps
its numbers in STORE/NAME.json, so that an interrupted study goes on where it was. `--only-trained`
leaves out networks whose training is not done, and `--runs FOLDER` takes finished trainings of
`stripe reproduce` in. `--networks 'resnet83-*'` chooses networks by name. It writes
benchmarks/results/sensitivity_study.json, docs/sensitivity.png and the tables of
docs/sensitivity.md.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import stripe
from benchmarks.common import save
from benchmarks.sensitivity_networks import (
    QUICK,
    SUBJECTS,
    Subject,
    is_trained,
    network,
    stored,
)
from benchmarks.sensitivity_page import draw, write_tables
from benchmarks.sensitivity_summary import summary
from stripe.data import load_dataset
from stripe.files import write_whole
from stripe.gates.find import DEFAULT_KINDS
from stripe.intervene.compared import compare_constants
from stripe.intervene.functions import function_of
from stripe.intervene.interventions import Interventions
from stripe.intervene.optimal import optimal_constants
from stripe.intervene.recorded import RecordedValues
from stripe.intervene.replaceable import replaceable
from stripe.modules import undisturbed
from stripe.outputs.scores import class_scores, divergence
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
        self._before = self._scores([])

    def cost(self, gates: Sequence[str]) -> dict[str, Any]:
        """Return KL divergence, its standard error, and agreement where these gates are frozen."""
        after = self._scores(gates)
        kl = divergence(self._before, after)
        same = (self._before.argmax(1) == after.argmax(1)).double().mean()
        error = float(kl.std()) / len(kl) ** 0.5
        return {"kl": float(kl.mean()), "kl_se": error, "agreement": float(same)}

    def accuracy(self, labels: Tensor) -> float:
        """Return the accuracy of the untouched network."""
        return float((self._before.argmax(1) == labels).double().mean())

    def _scores(self, gates: Sequence[str]) -> Tensor:
        functions = {name: self._means[name] for name in gates}
        with undisturbed(self._found.model), Interventions(self._found, functions):
            return torch.cat([class_scores(self._found.model(batch)) for batch in self._images])


def measured(subject: Subject, model: nn.Module, count: int, sets: int) -> dict[str, Any]:
    """Return the cost of gates and sets of one network, and what predicts it.

    The means and all predictors come from `count` images, exact costs from as many others.
    """
    data = load_dataset(subject.dataset, "test")
    chosen = np.random.default_rng(0).permutation(len(data))[: 2 * count]
    shape = (1, -1, 1, 1)
    mean, std = (torch.tensor(values).view(shape) for values in (data.mean, data.std))
    images = (data.images[chosen].float() / 255 - mean) / std
    known, held_out = images[:count].split(64), images[count:].split(64)
    with tempfile.TemporaryDirectory() as folder:
        recording = stripe.record(model, known, Path(folder) / "r", inputs=False, progress=False)
        exact = Exact(model, recording, held_out)
        estimates = [_estimate(model, images[:count], recording, *effort) for effort in EFFORTS]
        gates = _gates(recording, estimates, exact)
        constants = _constants(model, images[:count], held_out, recording)
    accuracy = exact.accuracy(data.labels[chosen[count:]])
    of_sets = _sets(estimates[-1], exact, sets)
    return {"network": subject.name, "accuracy": accuracy, "gates": gates, "sets": of_sets,
            "constants": constants}  # fmt: skip


def _constants(
    model: nn.Module, known: Tensor, held_out: Sequence[Tensor], recording: Recording
) -> list[dict[str, Any]]:
    """Return how means and optimal constants of all gates do on the images held out."""
    options: dict[str, Any] = {"example": known[:2], "progress": False}
    vectors = optimal_constants(model, known.split(16), recording, **options)
    table = compare_constants(model, held_out, recording, vectors, **options)
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return records


def _estimate(
    model: nn.Module, known: Tensor, recording: Recording, draws: int, count: int | None
) -> stripe.Sensitivity:
    images = known[:count].split(64)
    return stripe.sensitivity(model, images, recording, draws=draws, progress=False)


def _gates(
    recording: Recording, estimates: Sequence[stripe.Sensitivity], exact: Exact
) -> list[dict[str, Any]]:
    """Return for each gate alone its exact cost and every predictor."""
    moments = channel_moments(recording)
    index = stripe_index(moments).set_index("gate")
    size = moments.groupby("gate")["mean"].apply(lambda mean: float((mean**2).mean() ** 0.5))
    table = estimates[-1].gates
    rows = []
    for number, name in enumerate(table["gate"].tolist()):
        spread = float(index["within_var"][name]) ** 0.5 / size[name]
        efforts = {
            f"fisher_{draws}_{count or 'all'}": float(found.gates["fisher"].iloc[number])
            for (draws, count), found in zip(EFFORTS, estimates, strict=True)
        }
        rows.append({
            "gate": name,
            "fisher": float(table["fisher"].iloc[number]),
            "first_order": float(table["first_order"].iloc[number]),
            "1-eta2": 1 - float(index["eta2"][name]),
            "median_std": float(index["median_std"][name]),
            "relative_spread": spread,
            **efforts,
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


def study(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the numbers of every network, those of the store as they are there."""
    chosen.store.mkdir(parents=True, exist_ok=True)
    found = []
    for subject in [*stored(chosen.runs), *(QUICK if chosen.quick else SUBJECTS)]:
        if not any(fnmatch(subject.name, pattern) for pattern in chosen.networks):
            continue
        kept = chosen.store / f"{subject.name}.json"
        trained = is_trained(subject, chosen.store)
        if not kept.exists() and (trained or not chosen.only_trained):
            torch.manual_seed(subject.seed)
            model = network(subject, chosen.store, chosen.data_root)
            numbers = measured(subject, model, chosen.images, chosen.sets)
            write_whole(kept, json.dumps(numbers, indent=1, allow_nan=False).encode())
            print(subject.name, flush=True)
        if kept.exists():
            found.append(json.loads(kept.read_text()))
    return found


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("runs/sensitivity"))
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--sets", type=int, default=12)
    parser.add_argument("--networks", nargs="*", default=["*"], help="patterns of their names")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only-trained", action="store_true")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure the networks, and write numbers and figure."""
    chosen = options()
    found = study(chosen)
    said = {name: str(value) for name, value in vars(chosen).items() if name in ("images", "sets")}
    numbers, docs = summary(found), Path(__file__).parents[1] / "docs"
    save("sensitivity_study", {"options": said, "summary": numbers, "networks": found})
    draw(found, docs / "sensitivity.png")
    write_tables(found, numbers, docs / "sensitivity.md")


if __name__ == "__main__":
    main()
