"""Measure whether the attention that a network pays for at inference is a constant."""

import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn
from tqdm.auto import tqdm

from stripe.audit.agreement import agreements, mean_interval
from stripe.audit.candidate import Candidate, FrozenNetwork
from stripe.audit.images import Halves, halves
from stripe.audit.modules import ModuleCandidate
from stripe.audit.predictions import predictions
from stripe.audit.report import check_writable, write_report
from stripe.audit.result import Audit
from stripe.errors import StripeError
from stripe.modules.timing import in_turns
from stripe.recording import Recording
from stripe.stats import channel_moments, stripe_index
from stripe.versions import command_line

if TYPE_CHECKING:
    from onnx import ModelProto

#: From what a network puts out for a batch to one prediction for each image.
Predict = Callable[[Any], Sequence[Any]]
#: A kind of agreement, or a function of two predictions of an image.
Agree = str | Callable[[Any, Any], float]


def audit(
    model: "nn.Module | str | Path | ModelProto",
    loader: Iterable[Any],
    out: str | Path | None = "report.html",
    *,
    threshold: float = 0.99,
    limit: int = 1000,
    batch_size: int = 64,
    rounds: int = 21,
    threads: int = 1,
    predict: Predict | None = None,
    agree: Agree | None = None,
    name: str | None = None,
    dataset: str = "",
    progress: bool = True,
) -> Audit:
    """Measure whether a network's attention is a constant, and what it would cost to freeze it.

    The gates' means are taken from every other image, and the frozen network is compared with the
    untouched one on the rest, so that no image is judged by a mean that it is part of.

    Parameters
    ----------
    model
        Any network with gates, or an ONNX file (extra `onnx`); it is left as it was.
    loader
        Batches of images, or (images, labels), as for `stripe.record`.
    out
        A self-contained HTML report; None for none.
    threshold
        The least agreement that the recommended set of gates keeps, 0 to 1.
    limit
        Use at most so many images, the first of the loader; they are kept in memory.
    batch_size
        Images per forward pass, in the timing too.
    rounds
        Timed passes with gates and without, in turns.
    threads
        Threads of onnxruntime while an ONNX file is timed. Modules are timed with torch's.
    predict
        A function from what the network puts out for a batch to a sequence with one prediction for
        each image. Default: labels, strings, masks, maps of classes or boxes, by the shape of the
        output; `stripe.audit.predictions` says how.
    agree
        Agreement of two predictions of an image: "equal", "edit", "iou", "boxes" or a function of
        both that returns 0 to 1; `stripe.audit.agreement` says what they are. Default: by the kind
        of prediction.
    name, dataset
        Names of the network and of the images in the report.
    progress
        Show progress bars.

    Returns
    -------
    Audit
        Tables and numbers; the report holds the same with pictures.

    Raises
    ------
    ModelError
        If the network has no gates, or `predict` is not given and its output is of no known kind.
    StripeError
        If there are fewer than 4 images, or the report cannot be written.

    Notes
    -----
    Agreement is with the network's own predictions, so it asks what changes and not what is right;
    accuracy asks that, where there are labels. The report gives the interval within
    which an agreement is known. The share of latency depends on the machine and the batch size.

    Examples
    --------
    >>> model = stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1)
    >>> report = stripe.audit(model, [torch.rand(8, 1, 28, 28)], out=None, rounds=1)
    >>> report.gates[["gate", "eta2", "folded"]]
    >>> report.recommended
    """
    if not 0 <= threshold <= 1:
        raise StripeError(f"a threshold lies between 0 and 1, got {threshold}")
    if min(batch_size, rounds) < 1:
        raise StripeError(f"batch_size and rounds are 1 or more, got {batch_size} and {rounds}")
    path = None if out is None else Path(out).expanduser()
    if path is not None:
        check_writable(path)
    candidate = _candidate(model, name, threads)
    images = halves(loader, limit, batch_size)
    with tempfile.TemporaryDirectory() as folder:
        recording = candidate.record(images.known, Path(folder) / "gates", progress=progress)
        comparison = _Comparison(candidate, images, predict or predictions, agree)
        gates, greedy, frozen = _measured(comparison, recording, progress)
        found = Audit(
            model=candidate.name,
            dataset=dataset,
            n_images=images.counts,
            gates=gates,
            greedy=greedy,
            recommended=_recommended(greedy, threshold),
            threshold=threshold,
            **_latency(candidate, frozen.model, images, rounds),
            fold_error=frozen.error,
            out=path,
        )
        if path is not None:
            about = {
                "command": command_line(),
                "versions": candidate.versions,
                "device": candidate.device,
                "library": candidate.library,
            }
            write_report(path, found, recording, about)
    return found


def _candidate(model: Any, name: str | None, threads: int) -> Candidate:
    if isinstance(model, str | Path) or hasattr(model, "opset_import"):
        from stripe.audit.graphs import GraphCandidate

        return GraphCandidate(model, name, threads)
    return ModuleCandidate(model, name)


class _Comparison:
    """Compares a network with itself after gates were frozen, on the images held out."""

    def __init__(
        self, candidate: Candidate, images: Halves, predict: Predict, agree: Agree | None
    ) -> None:
        self.candidate = candidate
        self._images = images
        self._predict = predict
        self._agree = agree
        self._before = self._predictions(candidate.model)

    def row(self, count: int, gate: str, model: Any) -> dict[str, Any]:
        """Return the row of the greedy table for a network with `count` frozen gates."""
        now = self._before if model is self.candidate.model else self._predictions(model)
        shares = {"agreement": agreements(self._before, now, self._agree), **self._right(now)}
        row: dict[str, Any] = {"frozen": count, "gate": gate}
        for name, each in shares.items():
            low, high = mean_interval(each)
            row |= {name: float(each.mean()), f"{name}_low": low, f"{name}_high": high}
        return row

    def _right(self, predicted: list[Any]) -> dict[str, np.ndarray]:
        """Return of each image whether its label is predicted; NaN where there are none."""
        labels = self._images.labels
        if labels is None or not isinstance(predicted[0], int | np.integer):
            return {"accuracy": np.full(len(predicted), float("nan"))}
        return {"accuracy": np.equal(predicted, labels).astype(float)}

    def _predictions(self, model: Any) -> list[Any]:
        outputs = self.candidate.outputs(model, self._images.held_out)
        found = [one for output in outputs for one in self._predict(output)]
        if len(found) != (count := self._images.counts[1]):
            raise StripeError(
                f"predict= must return one prediction for each image, got {len(found)} for {count}"
            )
        return found


def _measured(
    comparison: _Comparison, recording: Recording, progress: bool
) -> tuple[pd.DataFrame, pd.DataFrame, FrozenNetwork]:
    """Return the table of gates, what freezing them one after the other costs, and all folded."""
    moments = channel_moments(recording)
    plan = comparison.candidate.plan(moments)
    everything = plan.freeze()
    gates = _gate_table(recording, moments, everything.report)
    order = gates[gates["frozen"]].sort_values("relative_spread", kind="stable")["gate"].tolist()
    rows = [comparison.row(0, "", comparison.candidate.model)]
    for count in tqdm(range(1, len(order) + 1), "freeze", disable=None if progress else True):
        last = count == len(order)
        now = everything if last else plan.freeze(order[:count], fold=False)
        rows.append(comparison.row(count, order[count - 1], now.model))
    return gates, pd.DataFrame(rows), everything


def _gate_table(recording: Recording, moments: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    """Return the table of gates of an `Audit`; `folds` is the report of freezing all of them."""
    index = stripe_index(moments).drop(columns=["epoch"])
    mean = moments.groupby("gate", sort=False)["mean"].apply(lambda m: float((m**2).mean() ** 0.5))
    spread = index["within_var"] ** 0.5
    index["relative_spread"] = (spread / index["gate"].map(mean)).where(spread > 0, 0.0)
    known = recording.gates[["name", "owner_class", "kind", "channels"]]
    table = known.rename(columns={"name": "gate"}).merge(index, on="gate").merge(folds, on="gate")
    return table.drop(columns=["between_var", "within_var"])


def _recommended(greedy: pd.DataFrame, threshold: float) -> list[str]:
    """Return the largest of the sets whose agreement is at least the threshold."""
    enough = greedy[greedy["agreement"] >= threshold]
    count = int(enough["frozen"].max()) if len(enough) else 0
    gates: list[str] = greedy["gate"].iloc[1 : count + 1].tolist()
    return gates


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
