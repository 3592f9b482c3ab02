"""Measure what freezing gates costs, beside what predicts it.

python -m benchmarks.sensitivity_study trains each network, or takes it from the store, and keeps
its numbers in STORE/NAME.json, so that an interrupted study goes on where it was. `--only-trained`
leaves out networks whose training is not done, and `--runs FOLDER` takes finished trainings of
`stripe reproduce` in. `--networks 'resnet83-*'` chooses networks by name. `--published` keeps the
committed numbers of networks that the store does not have. It writes
benchmarks/results/sensitivity_study.json, docs/sensitivity.png and the tables of
docs/sensitivity.md.
"""

import argparse
import json
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.common import earlier, save
from benchmarks.sensitivity_measure import costs
from benchmarks.sensitivity_networks import (
    QUICK,
    SUBJECTS,
    Subject,
    is_trained,
    network,
    stored,
)
from benchmarks.sensitivity_page import draw, tables, write_tables
from benchmarks.sensitivity_summary import summary
from stripe.data import load_dataset
from stripe.files import write_whole


def measured(subject: Subject, model: nn.Module, count: int, sets: int) -> dict[str, Any]:
    """Return the numbers of one network, from `count` test images and as many others."""
    data = load_dataset(subject.dataset, "test")
    chosen = np.random.default_rng(0).permutation(len(data))[: 2 * count]
    shape = (1, -1, 1, 1)
    mean, std = (torch.tensor(values).view(shape) for values in (data.mean, data.std))
    images = (data.images[chosen].float() / 255 - mean) / std
    found, exact = costs(model, images[:count], images[count:], sets)
    accuracy = exact.accuracy(data.labels[chosen[count:]])
    return {"network": subject.name, "accuracy": accuracy, **found}


def study(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the numbers of every network, those of the store as they are there."""
    found = published() if chosen.published else {}
    for subject in [*stored(chosen.runs), *(QUICK if chosen.quick else SUBJECTS)]:
        if not any(fnmatch(subject.name, pattern) for pattern in chosen.networks):
            continue
        kept = chosen.store / f"{subject.name}.json"
        trained = is_trained(subject, chosen.store)
        if not kept.exists() and (trained or not chosen.only_trained):
            torch.manual_seed(subject.seed)
            model = network(subject, chosen.store, chosen.data_root)
            keep(measured(subject, model, chosen.images, chosen.sets), kept)
        if kept.exists():
            found[subject.name] = json.loads(kept.read_text())
    return list(found.values())


def published() -> dict[str, dict[str, Any]]:
    """Return the committed numbers, by the names of the networks."""
    return {one["network"]: one for one in earlier("sensitivity_study")["networks"]}


def keep(numbers: dict[str, Any], path: Path) -> None:
    """Write the numbers of a network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(numbers, indent=1, allow_nan=False).encode())
    print(numbers["network"], flush=True)


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
    parser.add_argument("--published", action="store_true")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure the networks, and write numbers and figure."""
    chosen = options()
    found = study(chosen)
    said = {name: str(value) for name, value in vars(chosen).items() if name in ("images", "sets")}
    numbers, docs = summary(found), Path(__file__).parents[1] / "docs"
    save("sensitivity_study", {"options": said, "summary": numbers, "networks": found})
    draw(found, docs / "sensitivity.png")
    write_tables(tables(found, numbers), docs / "sensitivity.md")


if __name__ == "__main__":
    main()
