"""Estimate the cost of freezing gates of networks that others trained and ship as ONNX files.

python -m benchmarks.sensitivity_wild needs the extra `wild`. It measures the networks of
`benchmarks.wild` as modules, because the estimate needs gradients. It keeps the numbers of each
network in STORE/NAME.json, and writes benchmarks/results/sensitivity_wild.json and two tables of
docs/sensitivity.md.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnx import ModelProto, NodeProto
from onnx2torch import convert
from torch import Tensor, nn

from benchmarks.common import save
from benchmarks.sensitivity_measure import costs
from benchmarks.sensitivity_page import tables_of_others, write_tables
from benchmarks.sensitivity_study import keep
from benchmarks.sensitivity_summary import summary_of_others
from benchmarks.wild import SUBJECTS, Subject, drawn, file_of


def measured(subject: Subject, count: int, sets: int) -> dict[str, Any]:
    """Return the numbers of one network, from `count` rendered images and as many others."""
    images, _ = drawn(subject.images, 2 * count, seed=0)
    model = module(file_of(subject), images)
    found, _ = costs(model, images[:count], images[count:], sets,
                     batch_size=subject.batch_size, efforts=((4, None),))  # fmt: skip
    return {"network": subject.name, **found}


def module(path: Path, images: Tensor) -> nn.Module:
    """Return the network of an ONNX file as a module, for images of this size."""
    graph = onnx.load(str(path))
    dims = graph.graph.input[0].type.tensor_type.shape.dim
    for dim, size in list(zip(dims, images.shape, strict=True))[1:]:
        dim.dim_value = size
    model: nn.Module = convert(_with_pads(_simplified(graph))).eval()
    return model.requires_grad_(False)


def _simplified(graph: ModelProto) -> ModelProto:
    """Return a graph whose constants are folded; onnx2torch takes weights from initializers."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/simplified.onnx"
        onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return onnx.shape_inference.infer_shapes(onnx.load(options.optimized_model_filepath))


def _with_pads(graph: ModelProto) -> ModelProto:
    """Write "SAME_UPPER" as numbers, which onnx2torch takes."""
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.value_info, *graph.graph.input)
    }
    for node in graph.graph.node:
        said = {attribute.name: attribute for attribute in node.attribute}
        if "auto_pad" in said and said["auto_pad"].s == b"SAME_UPPER":
            pads = _pads(node, shapes[node.input[0]][2:])
            kept = [one for name, one in said.items() if name not in ("auto_pad", "pads")]
            kept.append(onnx.helper.make_attribute("pads", pads))
            del node.attribute[:]
            node.attribute.extend(kept)
    return graph


def _pads(node: NodeProto, sizes: list[int]) -> list[int]:
    """Return the padding before and after each axis, which keeps ceil(size / stride) places."""
    said = {one.name: list(one.ints) for one in node.attribute}
    kernel = said["kernel_shape"]
    strides = said.get("strides", [1] * len(kernel))
    least = [
        max((-(-size // stride) - 1) * stride + width - size, 0)
        for size, stride, width in zip(sizes, strides, kernel, strict=True)
    ]
    return [pad // 2 for pad in least] + [pad - pad // 2 for pad in least]


def main() -> None:
    """Measure the networks, and write their numbers and tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("runs/sensitivity"))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--sets", type=int, default=12)
    chosen = parser.parse_args()
    networks = []
    for subject in SUBJECTS:
        kept = chosen.store / f"{subject.name}.json"
        if not kept.exists():
            keep(measured(subject, chosen.images, chosen.sets), kept)
        networks.append(json.loads(kept.read_text()))
    numbers = summary_of_others(networks)
    said = {"images": chosen.images, "sets": chosen.sets}
    save("sensitivity_wild", {"options": said, "summary": numbers, "networks": networks})
    page = Path(__file__).parents[1] / "docs" / "sensitivity.md"
    write_tables(tables_of_others(networks, numbers), page)


if __name__ == "__main__":
    main()
