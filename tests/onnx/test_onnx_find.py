"""Gates of graphs that this machine exports, and of graphs that others trained."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
import torchvision
from exported import WILD, export, quantised, small, wild
from onnx import ModelProto, TensorProto, helper

import stripe
import stripe.onnx
from stripe.errors import ModelError
from stripe.onnx.bodies import flattened
from stripe.onnx.measure import measured_shapes
from stripe.onnx.places import Site


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("opset", [11, 13, 17])
def test_views_by_size(tmp_path: Path, opset: int, dynamic: bool) -> None:
    found = stripe.onnx.find_gates(
        export(small(), tmp_path / "m.onnx", opset=opset, dynamic=dynamic)
    )
    assert [(gate.channels, gate.kind, gate.layout) for gate in found] == [
        (8, "gate", "NC11"),
        (12, "gate", "NC11"),
    ]
    assert {gate.dtype for gate in found} == {"float"}
    assert found[0].owner_class == "Mul"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("mobilenetv3_small_050", "lcnet_050", "ghostnet_050", "eca_resnet33ts", "resnest14d"),
        *("skresnet18", "resnet18", "convnext_atto"),
    ],
)
def test_the_gates_of_a_graph_are_those_of_its_modules(tmp_path: Path, name: str) -> None:
    network = timm.create_model(name, num_classes=4).eval()
    found = stripe.onnx.find_gates(export(network, tmp_path / "m.onnx", opset=13, size=64))
    modules = stripe.find_gates(network, torch.randn(2, 3, 64, 64))
    assert [(g.channels, g.groups, g.kind, g.layout) for g in found] == [
        (g.channels, g.groups, g.kind, g.layout) for g in modules
    ]


def test_a_network_of_torchvision(tmp_path: Path) -> None:
    network = torchvision.models.efficientnet_b0(num_classes=4).eval()
    assert len(stripe.onnx.find_gates(export(network, tmp_path / "m.onnx", size=64))) == 16


def test_half_and_quantised(tmp_path: Path) -> None:
    half = stripe.onnx.find_gates(export(small(), tmp_path / "half.onnx", half=True))
    assert [gate.dtype for gate in half] == ["float16", "float16"]
    whole = export(small(), tmp_path / "m.onnx")
    found = stripe.onnx.find_gates(quantised(whole, tmp_path / "int8.onnx"))
    assert [gate.channels for gate in found] == [8, 12]


def test_a_response_is_not_squashed() -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y, float[N, 3, H, W] z) {
            m = GlobalAveragePool(x)
            r = Relu(m)
            c = Sigmoid(m)
            y = Mul(x, r)
            s = Sigmoid(x)
            z = Mul(x, s)
        }""")
    assert stripe.onnx.find_gates(model) == []
    assert [g.name for g in stripe.onnx.find_gates(model, kinds=("response",))] == ["r"]


def test_shapes_that_only_a_run_of_a_fixed_batch_tells() -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 3, 8, 8] x) => (float[2, 3, 8, 8] y)
        <int64[1] images = {2}, int64[1] rest = {3}, int64[2] ones = {1, 1}> {
            m = GlobalAveragePool(x)
            c = Sigmoid(m)
            s = Shape(x)
            z = ReduceSum<keepdims = 1>(rest)
            t = Concat<axis = 0>(images, z, ones)
            v = Reshape(c, t)
            y = Mul(x, v)
        }""")
    assert measured_shapes(model, ["x", "v"]) == {"x": (None, 3, 8, 8), "v": (None, 3, 1, 1)}
    assert [gate.channels for gate in stripe.onnx.find_gates(model)] == [3]


@pytest.mark.parametrize("sizes", ["24, 20", "H, W"])
def test_channels_last(tmp_path: Path, sizes: str) -> None:
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, {sizes}, 3] x) => (float[N, {sizes}, 3] y) {{
            m = ReduceMean<axes = [1, 2], keepdims = 1>(x)
            c = Sigmoid(m)
            y = Mul(x, c)
        }}""")
    assert [gate.layout for gate in stripe.onnx.find_gates(model)] == ["N11C"]
    images = torch.randn(4, 3, 24, 20)
    recording = stripe.onnx.record(model, [images], tmp_path / "r")
    np.testing.assert_allclose(recording.inputs("c"), images.mean((2, 3)), atol=1e-6)


def test_a_gate_that_multiplies_twice_is_one() -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) {
            m = GlobalAveragePool(x)
            c = Sigmoid(m)
            a = Mul(x, c)
            b = Relu(x)
            d = Mul(c, b)
            y = Add(a, d)
        }""")
    assert [gate.name for gate in stripe.onnx.find_gates(model)] == ["c"]


@pytest.mark.parametrize("repeat", ["Tile(c, sizes)", 'Resize <mode = "linear"> (c, , scales)'])
def test_a_gate_that_is_repeated_at_every_place(repeat: str) -> None:
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y)
        <int64[4] sizes = {{1, 1, 8, 8}}, float[4] scales = {{1, 1, 8, 8}}> {{
            m = GlobalAveragePool(x)
            c = Sigmoid(m)
            w = {repeat}
            y = Mul(x, w)
        }}""")
    assert [(g.name, g.channels) for g in stripe.onnx.find_gates(model)] == [("c", 3)]
    means = {"c": [0.5, 0.25, 1.0]}
    assert len(stripe.onnx.freeze(model, means).model.graph.node) == 1


@pytest.mark.parametrize("name", WILD)
def test_gates_of_networks_that_others_trained(name: str) -> None:
    path, gates, _ = wild(name)
    assert len(stripe.onnx.find_gates(path)) == gates


IN_A_BODY = {
    "If": """
        f = Cast<to = 9>(flag)
        y = If (f) <
            then_branch = t () => (float[N, 3, H, W] a) {
                s = Sigmoid(m)
                a = Mul(x, s)
            },
            else_branch = e () => (float[N, 3, H, W] b) { b = Identity(x) }>
    """,
    "Loop": """
        y = Loop (three, yes, x) <
            body = l (int64 i, bool c, float[N, 3, H, W] v) => (bool d, float[N, 3, H, W] w) {
                d = Identity(c)
                s = Sigmoid(m)
                w = Mul(v, s)
            }>
    """,
    "If that makes the gate": """
        f = Cast<to = 9>(flag)
        s = If (f) <
            then_branch = t () => (float[N, 3, 1, 1] a) { a = Sigmoid(m) },
            else_branch = e () => (float[N, 3, 1, 1] b) { b = HardSigmoid(m) }>
        y = Mul(x, s)
    """,
}


@pytest.mark.parametrize("name", IN_A_BODY)
def test_gates_in_bodies_are_refused_by_name(name: str) -> None:
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y)
        <float flag = {{1.0}}, int64 three = {{3}}, bool yes = {{1}}> {{
            m = GlobalAveragePool(x)
            {IN_A_BODY[name]}
        }}""")
    onnx.checker.check_model(model)
    before = model.SerializeToString()
    gate = "a" if "makes" in name else "s"
    with pytest.raises(ModelError, match=f"{gate} is in the body of {name.split()[0]} ") as raised:
        stripe.onnx.find_gates(model)
    assert "\n" not in str(raised.value)
    assert model.SerializeToString() == before


def with_branch(nodes: str) -> onnx.ModelProto:
    """Return a graph with a gate, s, and an If whose first branch has these nodes."""
    return onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) <bool yes = {{1}}> {{
            m = GlobalAveragePool(x)
            s = Sigmoid(m)
            p = Mul(x, s)
            y = If (yes) <
                then_branch = t () => (float[N, 3, H, W] a) {{ {nodes} }},
                else_branch = e () => (float[N, 3, H, W] b) {{ b = Neg(p) }}>
        }}""")


def test_a_gate_in_a_body_that_has_the_name_of_another_gate() -> None:
    model = with_branch("s = HardSigmoid(m) a = Mul(p, s)")
    nodes = flattened(model)[0].graph.node
    made = [name for node in nodes for name in node.output]
    assert len(set(made)) == len(made)
    assert [node.op_type for node in nodes].count("Mul") == 2


@pytest.mark.parametrize(
    ("layout", "groups", "shape", "axes"),
    [
        ("NC11", 1, (1, -1, 1, 1), [2, 3]),
        ("N11C", 1, (1, 1, 1, -1), [1, 2]),
        ("N1C", 1, (1, 1, -1), [1]),
        ("NC1", 1, (1, -1, 1), [2]),
        ("NRC11", 2, (1, 2, -1, 1, 1), [3, 4]),
    ],
)
def test_shape_and_places_of_a_gate_by_its_layout(
    layout: str, groups: int, shape: tuple[int, ...], axes: list[int]
) -> None:
    names = {"product": "p", "features": "x", "operand": "g"}
    site = Site(**names, index=1, layout=layout, groups=groups)
    assert site.shape == shape
    assert site.axes == axes


def test_control_flow_without_gates_is_no_obstacle() -> None:
    model = with_branch("a = Relu(p)")
    assert [gate.name for gate in stripe.onnx.find_gates(model)] == ["s"]


def test_nodes_in_any_order(tmp_path: Path) -> None:
    model = onnx.load(export(small(), tmp_path / "m.onnx"))
    expected = stripe.onnx.find_gates(model)
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert [g.name for g in stripe.onnx.find_gates(model)] == [g.name for g in expected]
    means = {gate.name: [0.5] * gate.channels for gate in expected}
    assert stripe.onnx.freeze(model, means).report["folded"].all()  # checked by onnx.checker


def test_products_of_quantised_operators_are_refused_by_name(tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantFormat

    path = quantised(
        export(small(), tmp_path / "m.onnx"), tmp_path / "q.onnx", form=QuantFormat.QOperator
    )
    with pytest.raises(ModelError, match=r"QLinearMul multiplies .*, .*; quantise") as raised:
        stripe.onnx.find_gates(path)
    assert "\n" not in str(raised.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    said = {}
    (tmp_path / "text.onnx").write_text("no graph at all, but text\n" * 9)
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name in ("text", "empty", "missing"):
        with pytest.raises(ModelError) as raised:
            stripe.onnx.find_gates(tmp_path / f"{name}.onnx")
        said[name] = str(raised.value)
    assert "is not an ONNX file" in said["text"]
    assert "is not an ONNX file" in said["empty"]
    assert "there is no ONNX file" in said["missing"]
    assert all("\n" not in line for line in said.values())


def test_graphs_that_no_run_is_possible_of(tmp_path: Path) -> None:
    whole = onnx.load(export(small(), tmp_path / "m.onnx"))
    circle = ModelProto.FromString(whole.SerializeToString())
    circle.graph.node[0].input[0] = circle.graph.node[-1].output[0]
    with pytest.raises(ModelError, match="must not form a circle"):
        stripe.onnx.find_gates(circle)
    del whole.graph.output[:]
    onnx.save(whole, tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="has no output"):
        stripe.onnx.find_gates(tmp_path / "none.onnx")


def test_a_gate_on_which_no_output_depends_is_none(tmp_path: Path) -> None:
    model = onnx.load(export(small(), tmp_path / "m.onnx"))
    first, second = stripe.onnx.find_gates(model)
    before = next(node for node in model.graph.node if node.name == second.producer)
    output = helper.make_tensor_value_info(before.output[0], TensorProto.FLOAT, [None] * 4)
    model.graph.output[0].CopyFrom(output)
    assert [gate.name for gate in stripe.onnx.find_gates(model)] == [first.name]
    means = {first.name: [0.5] * 8}
    assert stripe.onnx.freeze(model, means, image_shape=(3, 24, 24)).report["folded"].all()


def test_external_data_that_is_missing(tmp_path: Path) -> None:
    whole = onnx.load(export(small(), tmp_path / "m.onnx"))
    onnx.save(whole, tmp_path / "e.onnx", save_as_external_data=True, location="e.data",
              size_threshold=0)  # fmt: skip
    assert len(stripe.onnx.find_gates(tmp_path / "e.onnx")) == 2
    (tmp_path / "e.data").unlink()
    with pytest.raises(ModelError, match="keeps weights in another file") as raised:
        stripe.onnx.find_gates(tmp_path / "e.onnx")
    assert "e.data" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_inputs_that_are_no_images() -> None:
    def model(*inputs: tuple[str, int, list[int]]) -> onnx.ModelProto:
        values = [helper.make_tensor_value_info(*each) for each in inputs]
        node = helper.make_node("Identity", [inputs[0][0]], ["y"])
        out = helper.make_empty_tensor_value_info("y")
        return helper.make_model(helper.make_graph([node], "g", values, [out]))

    two = model(("a", TensorProto.FLOAT, [1, 3, 8, 8]), ("b", TensorProto.FLOAT, [1]))
    with pytest.raises(ModelError, match="one input, a batch of images, got 2: a, b"):
        stripe.onnx.find_gates(two)
    with pytest.raises(ModelError, match="got a: int64 1 x 7"):
        stripe.onnx.find_gates(model(("a", TensorProto.INT64, [1, 7])))
