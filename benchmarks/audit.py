"""Time an audit by estimates and a guided search against one gate after the other.

python -m benchmarks.audit NAME writes benchmarks/results/NAME.json. Both run in turns in one
process, and processor time is compared. `--run DIR` audits a network that `stripe train` trained;
otherwise the network is untrained. Both measure the latency of the network too, in one round.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import stripe
from benchmarks.common import save
from stripe.audit.candidate import Freezing
from stripe.audit.comparison import HeldOutComparison
from stripe.audit.gate_table import gate_table
from stripe.audit.images import halves
from stripe.audit.modules import ModuleCandidate
from stripe.audit.order import by_spread
from stripe.data import load_dataset
from stripe.hooks import Recorder
from stripe.modules.timing import in_turns
from stripe.outputs.task import Task
from stripe.recording import open_recording
from stripe.stats import channel_moments
from stripe.train.trained import trained_network

_BATCH = 64


def network(backbone: str, scale: float, seed: int, images: Tensor) -> nn.Module:
    """Return an untrained network whose gates depend on the image: their last weights are scaled.

    Its batch norms have the statistics of the images.
    """
    model = stripe.build(backbone, attention="se", num_classes=10, in_channels=1, seed=seed)
    for name, parameter in model.named_parameters():
        if ".gate." in name and parameter.ndim > 1:
            parameter.data.mul_(scale)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    return model.eval()


def one_by_one(model: nn.Module, images: Tensor) -> list[float]:
    """Return the agreement at every number of gates, the most constant first."""
    candidate = ModuleCandidate(model, None)
    both = halves([images], len(images), _BATCH)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gates"
        with Recorder(candidate.model, path, both.known[0][:2], gates="all") as recorder:
            recorder.record(both.known, 0, progress=False)
        recording = open_recording(path)
        plan = candidate.plan(channel_moments(recording))
        everything = plan.freeze()
        order = by_spread(gate_table(recording, everything.report)).gates
        comparison = HeldOutComparison(candidate, both, Task())
        rows = [
            comparison.measured(order[:count], partial(_frozen, plan, order[:count]))
            for count in range(len(order) + 1)
        ]
    timed = {"gates": model, "frozen": everything.model}
    in_turns({name: candidate.timing(net, both.held_out[0]) for name, net in timed.items()}, 1)
    return [row["agreement"] for row in rows]


def _frozen(plan: Freezing, gates: list[str]) -> Any:
    return plan.freeze(gates, fold=False).model


def fast(model: nn.Module, images: Tensor, threshold: float) -> dict[str, Any]:
    """Return the set of an audit, its agreement, and the measured sets."""
    found = stripe.audit(model, [images], None, threshold=threshold, limit=len(images),
                         batch_size=_BATCH, rounds=1, progress=False)  # fmt: skip
    measured = dict(zip(found.greedy["frozen"].tolist(), found.greedy["agreement"], strict=True))
    size = len(found.recommended)
    return {"size": size, "agreement": measured[size], "by": found.ordered_by, "sets": measured}


def compared(model: nn.Module, images: Tensor, thresholds: Sequence[float]) -> dict[str, Any]:
    """Return the seconds of both ways in turns, and the sets that they find."""
    slow, curve = seconds(partial(one_by_one, model, images))
    round_: dict[str, Any] = {"one_by_one": slow, "gates": len(curve) - 1, "thresholds": {}}
    for threshold in thresholds:
        quick, found = seconds(partial(fast, model, images, threshold))
        size = max(count for count, agreement in enumerate(curve) if agreement >= threshold)
        usual = {"size_one_by_one": size, "agreement_one_by_one": curve[size]}
        round_["thresholds"][threshold] = {"audit": quick, "ratio": slow / quick, **usual, **found}
    return round_


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time of this process for some work, and what it returned."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    """Run both in turns and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="audit")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--backbone", default="resnet164")
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.98, 0.995])
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data = load_dataset("fashion-mini", "test")
    images = (data.images[: chosen.images].float() / 255 - 0.286) / 0.353
    first = images[:_BATCH]
    model = (
        network(chosen.backbone, chosen.scale, chosen.seed, first)
        if chosen.run is None
        else trained_network(chosen.run, data_root=Path("data"))
    )
    small = network("resnet8_basic", 1.0, 0, first)
    compared(small, images[:8], [0.9])  # what the first call alone pays
    rounds = []
    for _ in range(chosen.rounds):
        rounds.append(compared(model, images, chosen.thresholds))
        print(rounds[-1], flush=True)
    ratios = {
        threshold: statistics.median(one["thresholds"][threshold]["ratio"] for one in rounds)
        for threshold in chosen.thresholds
    }
    run = None if chosen.run is None else chosen.run.name
    save(chosen.name, {"options": {**vars(chosen), "run": run}, "rounds": rounds, "ratio": ratios})


if __name__ == "__main__":
    main()
