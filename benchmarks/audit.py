"""Time an audit by estimates and bisection against one gate after the other.

python -m benchmarks.audit writes benchmarks/results/audit.json. Both run in turns in one process,
and processor time is compared. The audit measures the latency of the network too, in one round.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import stripe
from benchmarks.common import save
from stripe.audit.comparison import Comparison
from stripe.audit.curve import Curve
from stripe.audit.gate_table import gate_table
from stripe.audit.images import halves
from stripe.audit.modules import ModuleCandidate
from stripe.audit.order import by_spread
from stripe.data import load_dataset
from stripe.outputs.task import Task
from stripe.stats import channel_moments


def network(backbone: str, scale: float, seed: int) -> nn.Module:
    """Return an untrained network whose gates look at the image: their last weights are scaled."""
    model = stripe.build(backbone, attention="se", num_classes=10, in_channels=1, seed=seed)
    for name, parameter in model.named_parameters():
        if ".gate." in name and parameter.ndim > 1:
            parameter.data.mul_(scale)
    return model.eval()


def one_by_one(model: nn.Module, images: Tensor, threshold: float, batch_size: int) -> int:
    """Return the size of the set that every number of gates, the most constant first, finds."""
    candidate = ModuleCandidate(model, None)
    both = halves([images], len(images), batch_size)
    with tempfile.TemporaryDirectory() as folder:
        recording = candidate.record(both.known, Path(folder) / "gates", progress=False)
        plan = candidate.plan(channel_moments(recording))
        everything = plan.freeze()
        order = by_spread(gate_table(recording, everything.report))
        comparison = Comparison(candidate, both, Task())
        curve = Curve(comparison, plan, order)
        curve.measure_all()
    return curve.largest_measured(threshold)


def fast(model: nn.Module, images: Tensor, threshold: float, batch_size: int) -> dict[str, Any]:
    """Return the size of the set of an audit, and how it was found."""
    found = stripe.audit(model, [images], None, threshold=threshold, limit=len(images),
                         batch_size=batch_size, rounds=1, progress=False)  # fmt: skip
    sets = found.greedy["frozen"].tolist()
    return {"size": len(found.recommended), "by": found.ordered_by, "measured": sets}


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time of this process for some work, and what it returned."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    """Run both in turns and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet164")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--threshold", type=float, default=0.95)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--name", default="audit")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = network(chosen.backbone, chosen.scale, chosen.seed)
    data = load_dataset("fashion-mini", "test")
    images = (data.images[: chosen.images].float() / 255 - 0.5) / 0.25
    work = (model, images, chosen.threshold, 64)
    small = network("resnet8_basic", chosen.scale, chosen.seed)
    one_by_one(small, images[:8], chosen.threshold, 4)  # what the first call alone pays
    fast(small, images[:8], chosen.threshold, 4)
    rounds = []
    for _ in range(chosen.rounds):
        slow, size = seconds(lambda: one_by_one(*work))
        quick, found = seconds(lambda: fast(*work))
        rounds.append({"one_by_one": slow, "audit": quick, "size_one_by_one": size, **found})
        print(rounds[-1], flush=True)
    ratio = statistics.median(one["one_by_one"] / one["audit"] for one in rounds)
    save(chosen.name, {"options": vars(chosen), "rounds": rounds, "ratio": ratio})


if __name__ == "__main__":
    main()
