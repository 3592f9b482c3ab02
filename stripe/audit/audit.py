"""Measure whether a network's attention is a constant, and its share of the inference time."""

import statistics
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from torch import nn

from stripe.audit.candidate import Candidate, FrozenNetwork
from stripe.audit.comparison import HeldOutComparison
from stripe.audit.curve import Curve, larger
from stripe.audit.gate_table import gate_table, with_costs
from stripe.audit.images import Halves, halves
from stripe.audit.modules import ModuleCandidate
from stripe.audit.order import by_sensitivity, by_spread, constant_and_varying, estimated
from stripe.audit.report import write_report
from stripe.audit.result import Audit
from stripe.defaults import BATCH_SIZE, LIMIT, ROUNDS, THRESHOLD
from stripe.errors import ModelError, StripeError
from stripe.files import PAGES, check_target
from stripe.modules.progress import progress_bar
from stripe.modules.timing import in_turns
from stripe.outputs.task import Agree, Predict, Task
from stripe.recording import Recording
from stripe.stats import channel_moments
from stripe.typed import typed
from stripe.versions import command_line

if TYPE_CHECKING:
    from onnx import ModelProto


@typed
def audit(
    model: "nn.Module | str | Path | ModelProto",
    loader: Iterable[Any],
    out: str | Path | None = "report.html",
    *,
    threshold: float = THRESHOLD,
    curve: bool = False,
    alone: bool = False,
    controls: bool = False,
    optimal: bool = False,
    limit: int = LIMIT,
    batch_size: int = BATCH_SIZE,
    rounds: int = ROUNDS,
    threads: int = 1,
    predict: Predict | None = None,
    agree: Agree | None = None,
    name: str | None = None,
    dataset: str = "",
    progress: bool = True,
) -> Audit:
    """Measure how constant a network's attention is, and the cost of freezing it.

    The means of the gates are computed from a random half of the images. The frozen network is
    compared with the unchanged network on the other half of the images, so the images that test the
    means are not those from which the means were computed. The division has a fixed seed. If all
    images have labels, it divides each class evenly. `stripe.sensitivity` orders the gates so that
    each further gate adds the least to the cost of the set. It uses whole batches of the images
    from which the means are computed, until it has used at least 64 images or all of them. A few
    sets are measured on the other half, to find how many gates can be frozen at the threshold. The
    estimated costs determine which sets are measured.

    Parameters
    ----------
    model
        Any network with gates, or an ONNX file or model (extra `onnx`). It is not changed.
    loader
        Batches of images, or (images, labels), as for `stripe.record`.
    out
        Path of the HTML report (.html or .htm), a single file. None for no report.
    threshold
        Smallest agreement that the recommended set of gates must keep, 0 to 1.
    curve
        Measure the effect of every number of frozen gates, with one pass over the images for each.
        If False, measure it for none, for all, and for the few numbers that the search needs.
    alone
        Also measure the cost of freezing each gate alone, with one pass over the images for each
        gate.
    controls
        Also measure the interventions of `stripe.intervene`, except "class_mean", on all gates at
        once, with one pass over the images for each. The model must be a module, not an ONNX file.
    optimal
        Also learn constants for all gates, so that the outputs change least, and compare them with
        the means. The model must output class scores and be a module, not an ONNX file.
    limit
        Largest number of images, taken from the start of the loader. They are kept in memory.
    batch_size
        Number of images per forward pass, including timed passes. For a module on a CPU, gates are
        recorded and their cost is estimated in batches of about 16 images (at most 19).
    rounds
        Number of timed rounds. Each round times one pass with the gates and one pass without them.
    threads
        Number of threads of onnxruntime for timing an ONNX file. Modules are timed with torch's
        number of threads.
    predict
        Function of the network's output for a batch. It returns a sequence with one prediction per
        image, or a real tensor (B, classes) of class scores or probabilities. The class with the
        largest entry in a row of this tensor is the prediction. Default: labels, strings, masks,
        class maps or boxes, depending on the shape of the output, as described in
        `stripe.outputs.predictions`.
    agree
        Agreement of two predictions for an image: "equal", "edit", "iou", "boxes", or a function of
        both predictions that returns a number from 0 to 1. `stripe.outputs.agreement` describes the
        names. If `predict` returns class scores and `agree` is a function, `agree` receives the two
        rows of scores of an image instead of two labels. Default: depends on the kind of
        prediction.
    name, dataset
        Names of the network and of the images, for the report.
    progress
        Show progress bars.

    Returns
    -------
    Audit
        Tables and numbers. The report shows the same results with figures.

    Raises
    ------
    ModelError
        In one of these cases:

        - the network has no gates;
        - the kind of its output is unknown, and `predict` is not given;
        - the unchanged network outputs NaN;
        - `controls` or `optimal` is set, but the network is an ONNX file;
        - `optimal` is set, but the network outputs no class scores.
    UnknownNameError
        If `agree` names no agreement.
    StripeError
        In one of these cases:

        - there are fewer than 4 images, or the images differ in size;
        - `threshold`, `batch_size` or `rounds` is out of range;
        - `predict` does not return one prediction for each image;
        - the report cannot be written. If writing fails after the audit, the error is a
          `stripe.audit.report.ReportError`, whose attribute `audit` holds the result.

    Warns
    -----
    UserWarning
        If `limit` leaves images out, and the first ones are sorted by class.

    Notes
    -----
    The audit first searches in the order of estimated cost. Let n be the number of gates that this
    search finds. The audit then freezes the first n + 1 gates in the order of relative spread. If
    this set also reaches the threshold, the audit continues in that order instead. It also uses
    that order if the cost cannot be estimated. The estimate needs class scores from the network
    itself, for each image or each position, whatever `predict` returns. An ONNX file has no
    gradients, so `stripe.onnx.sensitivity` measures the cost of each gate. The recommended set
    reaches the threshold. Unless every gate that can be frozen is recommended, the next set in the
    order, with one more gate, does not reach it. Agreement may rise when a further gate is frozen,
    so `curve=True` can find a larger set.

    Agreement is with the network's own predictions. It shows whether predictions change, not
    whether they are correct. With labels, accuracy shows whether they are correct. If the scores of
    an image become NaN, its prediction counts as changed and as wrong. The report gives the
    interval of each agreement. `attention_share` depends on the machine and the batch size.

    Examples
    --------
    >>> model = stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1)
    >>> report = stripe.audit(model, [torch.rand(8, 1, 28, 28)], out=None, rounds=1)
    >>> report.gates[["gate", "eta2", "folded"]]
    >>> report.recommended
    """
    _check_numbers(threshold, batch_size, rounds)
    path = None if out is None else Path(out).expanduser()
    if path is not None:
        check_target(path, PAGES, "a report")
    candidate = _candidate(model, name, threads)
    task = Task(predict, agree, candidate.scores)
    asked = {"controls": controls, "optimal": optimal}
    _check_asked(candidate, asked)
    images = halves(loader, limit, batch_size)
    if optimal:
        candidate.check_optimal(images.known[0][:2])
    known = images.labelled()[0]
    with tempfile.TemporaryDirectory() as folder:
        recording = candidate.record(known, Path(folder) / "gates", progress=progress)
        measured = _measured(
            candidate,
            recording,
            images,
            task,
            threshold=threshold,
            curve=curve,
            alone=alone,
            progress=progress,
        )
        gates = measured.curve.order.gates
        wanted = [table for table, wish in asked.items() if wish and gates]
        given = {"task": task, "progress": progress}
        tables = {t: getattr(candidate, t)(images, recording, gates, **given) for t in wanted}
        found = Audit(
            model=candidate.name,
            dataset=dataset,
            n_images=images.counts,
            **measured.fields(),
            threshold=threshold,
            **tables,
            **_latency(candidate, measured.everything.model, images, rounds),
            fold_error=measured.everything.error,
            out=path,
        )
        if path is not None:
            write_report(path, found, recording, _about(candidate))
    return found


def _check_numbers(threshold: float, batch_size: int, rounds: int) -> None:
    """Raise, before any work, if a number is out of range."""
    if not 0 <= threshold <= 1:
        raise StripeError(f"a threshold lies between 0 and 1, got {threshold}")
    if min(batch_size, rounds) < 1:
        raise StripeError(f"batch_size and rounds are 1 or more, got {batch_size} and {rounds}")


def _candidate(model: Any, name: str | None, threads: int) -> Candidate:
    if isinstance(model, str | Path) or hasattr(model, "opset_import"):
        from stripe.audit.graphs import GraphCandidate

        return GraphCandidate(model, name, threads)
    return ModuleCandidate(model, name)


def _check_asked(candidate: Candidate, asked: Mapping[str, bool]) -> None:
    """Raise, before any work, if a network does not support a requested table."""
    for name, wanted in asked.items():
        if wanted and not candidate.is_module:
            raise ModelError(
                f"{name}=True needs a module, whose gates can be replaced while it runs, got an "
                f"ONNX file; leave {name} out"
            )


def _about(candidate: Candidate) -> dict[str, Any]:
    """Return the provenance of a report."""
    return {
        "command": command_line(),
        "versions": candidate.versions,
        "device": candidate.device,
        "library": candidate.library,
    }


class _Measured(NamedTuple):
    """Measurements of the gates of a network."""

    gates: pd.DataFrame
    curve: Curve
    frozen: int
    everything: FrozenNetwork
    reason: str

    def fields(self) -> dict[str, Any]:
        """Return the fields of an `Audit` about gates and their order."""
        order = self.curve.order
        return {
            "gates": self.gates,
            "greedy": self.curve.table(),
            "order": order.gates,
            "ordered_by": order.by,
            "order_reason": self.reason,
            "recommended": order.gates[: self.frozen],
        }


def _measured(
    candidate: Candidate,
    recording: Recording,
    images: Halves,
    task: Task,
    *,
    threshold: float,
    curve: bool,
    alone: bool,
    progress: bool,
) -> _Measured:
    """Order the gates, and find the largest set that reaches a threshold, in few passes."""
    plan = candidate.plan(channel_moments(recording))
    everything = plan.freeze()
    gates = gate_table(recording, everything.report)
    spread = by_spread(gates)
    constants, varying = constant_and_varying(gates, spread.gates)
    found, reason = estimated(candidate, images.known, recording, varying, progress=progress)
    with progress_bar(None, "freeze", progress, unit=" passes") as bar:
        comparison = HeldOutComparison(candidate, images, task, bar.update)
        comparison.measured(spread.gates, lambda: everything.model)
        usual = Curve(comparison, plan, spread)
        by_cost = usual
        if found is not None:
            by_cost = Curve(comparison, plan, by_sensitivity(found, constants))
        if curve:
            by_cost.measure_all()
        chosen = larger(by_cost, usual, threshold)
        if curve:
            chosen.measure_all()
        else:
            chosen.agreement(len(spread.gates))
        count = chosen.largest_measured(threshold)
        if alone:
            chosen.measure_alone()
    if found is not None and chosen is usual:
        reason = "the set by the relative spread is larger"
    gates = with_costs(gates, found, comparison.known)
    return _Measured(gates, chosen, count, everything, reason)


def _latency(candidate: Candidate, frozen: Any, images: Halves, rounds: int) -> dict[str, Any]:
    """Return the fields of an `Audit` about time."""
    batch = images.held_out[0]
    networks = {"gates": candidate.model, "frozen": frozen}
    ways = {name: candidate.timing(network, batch) for name, network in networks.items()}
    seconds = in_turns(ways, rounds)
    pairs = zip(seconds["frozen"], seconds["gates"], strict=True)
    shares = np.quantile([1 - without / gated for without, gated in pairs], [0.25, 0.5, 0.75])
    medians = {name: 1000 * statistics.median(times) for name, times in seconds.items()}
    return {
        "milliseconds": {**medians, "batch_size": len(batch)},
        "attention_share": float(shares[1]),
        "attention_share_quartiles": (float(shares[0]), float(shares[2])),
    }
