"""Measure whether the attention that a network pays for at inference is a constant."""

import statistics
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from stripe.audit.report import write_report
from stripe.audit.result import Audit, interval
from stripe.audit.shared import check_writable, gate_table, gather
from stripe.errors import ModelError, StripeError
from stripe.gates import Frozen, find_gates
from stripe.gates.plan import plan
from stripe.hooks import Recorder
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules import undisturbed
from stripe.modules.timing import forward_seconds
from stripe.modules.unwrap import device_of, unwrapped
from stripe.recording import Recording, open_recording
from stripe.stats import channel_moments
from stripe.versions import command_line, library_versions


def audit(
    model: nn.Module,
    loader: Iterable[Any],
    out: str | Path | None = "report.html",
    *,
    threshold: float = 0.99,
    limit: int = 1000,
    batch_size: int = 64,
    rounds: int = 21,
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
        Any network with gates that puts out class scores (B, classes); it is left as it was.
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
    name, dataset
        What the report calls the network and the images.
    progress
        Show progress bars.

    Returns
    -------
    Audit
        Tables and numbers; the report holds the same with pictures.

    Raises
    ------
    ModelError
        If the network has no gates, or does not put out class scores.
    StripeError
        If there are fewer than 4 images, or the report cannot be written.

    Notes
    -----
    Agreement is with the network's own predictions, so it asks what changes and not what is right;
    accuracy asks that, where there are labels. The report gives the interval within
    which an agreement is known. The share of latency depends on the machine and the batch size.
    """
    if not 0 <= threshold <= 1:
        raise StripeError(f"a threshold lies between 0 and 1, got {threshold}")
    if min(batch_size, rounds) < 1:
        raise StripeError(f"batch_size and rounds are 1 or more, got {batch_size} and {rounds}")
    model = unwrapped(model)
    device = device_of(model)
    if out is not None:
        check_writable(Path(out).expanduser())
    images, labels = gather(loader, limit)
    known, held_out = images[::2].split(batch_size), images[1::2].split(batch_size)
    truth = None if labels is None else labels[1::2].cpu()
    if not find_gates(model, images[:2]):
        raise ModelError(
            f"no gates were found in this {type(model).__name__}, so there is nothing to audit"
        )
    with tempfile.TemporaryDirectory() as folder:
        with (
            interrupts_held(),
            Recorder(model, Path(folder) / "gates", images[:2], gates="all") as recorder,
            interrupts_allowed(),
        ):
            recorder.record(known, 0, progress=progress)
        recording = open_recording(Path(folder) / "gates")
        gates, greedy, folded = _measure(model, recording, held_out, truth, progress)
        seconds = _latency(model, folded.model, held_out[0].to(device), rounds)
        milliseconds = {key: 1000 * statistics.median(times) for key, times in seconds.items()}
        pairs = zip(seconds["frozen"], seconds["gates"], strict=True)
        shares = np.quantile([1 - frozen / gated for frozen, gated in pairs], [0.25, 0.5, 0.75])
        enough = greedy[greedy["agreement"] >= threshold]
        count = int(enough["frozen"].max()) if len(enough) else 0
        found = Audit(
            model=name or type(model).__name__,
            dataset=dataset,
            images=(len(images[::2]), len(images[1::2])),
            gates=gates,
            greedy=greedy,
            recommended=greedy["gate"].iloc[1 : count + 1].tolist(),
            threshold=threshold,
            milliseconds={**milliseconds, "batch_size": len(held_out[0])},
            attention_share=float(shares[1]),
            attention_share_quartiles=(float(shares[0]), float(shares[2])),
            fold_error=folded.error,
            out=None if out is None else Path(out).expanduser(),
        )
        if found.out is not None:
            kept = float(greedy["agreement"].iloc[count])
            about = {
                "command": command_line(),
                "versions": library_versions(),
                "device": device,
                "library": "stripe",
                "interval": interval(kept, found.images[1]),
            }
            write_report(found.out, found, recording, about)
    return found


def _measure(
    model: nn.Module,
    recording: Recording,
    images: Sequence[Tensor],
    labels: Tensor | None,
    progress: bool,
) -> tuple[pd.DataFrame, pd.DataFrame, Frozen]:
    """Return the table of gates, what freezing them one after the other costs, and all folded."""
    moments = channel_moments(recording)
    freezing = plan(model, moments)
    everything = freezing.freeze()
    gates = gate_table(recording, moments, everything.report)
    frozen = gates[gates["frozen"]].sort_values("relative_spread", kind="stable")
    order = frozen["gate"].tolist()
    before = _predictions(model, images)
    rows = [_row(0, "", before, before, labels)]
    for count in tqdm(range(1, len(order) + 1), "freeze", disable=None if progress else True):
        now = everything if count == len(order) else freezing.freeze(order[:count], fold=False)
        predicted = _predictions(now.model, images)
        rows.append(_row(count, order[count - 1], before, predicted, labels))
    return gates, pd.DataFrame(rows), everything


def _row(
    count: int, gate: str, before: Tensor, now: Tensor, labels: Tensor | None
) -> dict[str, Any]:
    return {
        "frozen": count,
        "gate": gate,
        "agreement": (now == before).double().mean().item(),
        "accuracy": float("nan") if labels is None else (now == labels).double().mean().item(),
    }


def _predictions(model: nn.Module, batches: Sequence[Tensor]) -> Tensor:
    predicted = []
    with interrupts_held(), undisturbed(model), interrupts_allowed():
        for batch in batches:
            scores = model(batch.to(device_of(model)))
            if not isinstance(scores, Tensor) or scores.ndim != 2:
                came = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
                raise ModelError(
                    f"an audit needs class scores (B, classes) from the network, got {came}"
                )
            predicted.append(scores.argmax(1))
    return torch.cat(predicted).cpu()


def _latency(
    model: nn.Module, frozen: nn.Module, images: Tensor, rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of a pass with gates and frozen in each round, taken in turns."""
    seconds: dict[str, list[float]] = {"gates": [], "frozen": []}
    networks = {"gates": model, "frozen": frozen}
    for number in range(rounds + 1):
        for key in networks if number % 2 else reversed(networks):
            with interrupts_held(), undisturbed(networks[key]), interrupts_allowed():
                passed = forward_seconds(networks[key], images)
            if number:
                seconds[key].append(passed)
    return seconds
