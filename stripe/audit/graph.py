"""Audit an ONNX file: how constant its attention is, and what freezing it costs."""

import statistics
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from onnx import ModelProto
from torch import Tensor
from tqdm.auto import tqdm

from stripe.audit.agreement import agreement, predictions
from stripe.audit.report import write_report
from stripe.audit.result import Audit, interval
from stripe.audit.shared import check_writable, gate_table, gather
from stripe.errors import StripeError
from stripe.onnx.freeze import Frozen, freeze
from stripe.onnx.load import load_model
from stripe.onnx.record import record
from stripe.onnx.session import Session, seconds_in_turns
from stripe.recording import Recording
from stripe.stats import channel_moments
from stripe.versions import command_line, library_versions


def audit_graph(
    model: str | Path | ModelProto,
    loader: Iterable[Any],
    out: str | Path | None = "report.html",
    *,
    threshold: float = 0.99,
    limit: int = 1000,
    batch_size: int = 64,
    rounds: int = 21,
    threads: int = 1,
    name: str | None = None,
    dataset: str = "",
    progress: bool = True,
) -> Audit:
    """Measure whether the attention of an ONNX file is a constant, as `stripe.audit` does.

    Agreement is of labels, of strings or of masks (mean intersection over union), by the shape of
    the first output; `stripe.audit.agreement` says how.

    Parameters
    ----------
    model
        An ONNX file or model with one input, a batch of images.
    loader, out, threshold, limit, batch_size, rounds, name, dataset, progress
        As for `stripe.audit`.
    threads
        Threads of onnxruntime in the timing.

    Returns
    -------
    Audit
        Tables and numbers; the report holds the same with pictures.

    Raises
    ------
    ModelError
        If the model is none that can be read or run, has no gates, or puts out something else.
    StripeError
        If there are fewer than 4 images, or the report cannot be written.
    """
    if not 0 <= threshold <= 1:
        raise StripeError(f"a threshold lies between 0 and 1, got {threshold}")
    if min(batch_size, rounds) < 1:
        raise StripeError(f"batch_size and rounds are 1 or more, got {batch_size} and {rounds}")
    path = None if out is None else Path(out).expanduser()
    if path is not None:
        check_writable(path)
    named = name or ("an ONNX graph" if isinstance(model, ModelProto) else Path(model).name)
    model = model if isinstance(model, ModelProto) else load_model(model)
    images, labels = gather(loader, limit)
    known, held_out = images[::2].split(batch_size), images[1::2].split(batch_size)
    with tempfile.TemporaryDirectory() as folder:
        recording = record(model, known, Path(folder) / "gates", name=named, progress=progress)
        truth = None if labels is None else labels[1::2].tolist()
        gates, greedy, frozen = _measure(model, recording, held_out, truth, progress)
        sessions = [Session(one, threads=threads) for one in (model, frozen.model)]
        gated, without = seconds_in_turns(sessions, held_out[0], rounds)
        shares = np.quantile(1 - np.array(without) / np.array(gated), [0.25, 0.5, 0.75])
        enough = greedy[greedy["agreement"] >= threshold]
        count = int(enough["frozen"].max()) if len(enough) else 0
        found = Audit(
            model=named,
            dataset=dataset,
            images=(len(images[::2]), len(images[1::2])),
            gates=gates,
            greedy=greedy,
            recommended=greedy["gate"].iloc[1 : count + 1].tolist(),
            threshold=threshold,
            milliseconds={
                "gates": 1000 * statistics.median(gated),
                "frozen": 1000 * statistics.median(without),
                "batch_size": len(held_out[0]),
            },
            attention_share=float(shares[1]),
            attention_share_quartiles=(float(shares[0]), float(shares[2])),
            fold_error=frozen.error,
            out=path,
        )
        if path is not None:
            kept = float(greedy["agreement"].iloc[count])
            about = {
                "command": command_line(),
                "versions": {**library_versions(), "onnxruntime": onnxruntime.__version__},
                "device": f"cpu, onnxruntime with {threads} thread{'s' * (threads != 1)}",
                "interval": interval(kept, found.images[1]),
                "library": "stripe.onnx",
            }
            write_report(path, found, recording, about)
    return found


def _measure(
    model: ModelProto,
    recording: Recording,
    images: Sequence[Tensor],
    labels: list[int] | None,
    progress: bool,
) -> tuple[pd.DataFrame, pd.DataFrame, Frozen]:
    """Return the table of gates, what freezing them one after the other costs, and all folded."""
    moments = channel_moments(recording)
    everything = freeze(model, moments)
    gates = gate_table(recording, moments, everything.report)
    order = gates.sort_values("relative_spread", kind="stable")["gate"].tolist()
    before = _predicted(model, images)
    rows = [_row(0, "", before, before, labels)]
    for count in tqdm(range(1, len(order) + 1), "freeze", disable=None if progress else True):
        now = everything if count == len(order) else freeze(
            model, moments, gates=order[:count], fold=False
        )  # fmt: skip
        rows.append(_row(count, order[count - 1], before, _predicted(now.model, images), labels))
    return gates, pd.DataFrame(rows), everything


def _predicted(model: ModelProto, images: Sequence[Tensor]) -> list[Any]:
    session = Session(model)
    first = session.names[0]
    return [one for batch in images for one in predictions(session.run(batch)[first])]


def _row(
    count: int, gate: str, before: list[Any], now: list[Any], labels: list[int] | None
) -> dict[str, Any]:
    classes = labels is not None and isinstance(now[0], int)
    return {
        "frozen": count,
        "gate": gate,
        "agreement": agreement(before, now),
        "accuracy": float(np.mean(np.equal(now, labels or []))) if classes else float("nan"),
    }
