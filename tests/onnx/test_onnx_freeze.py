"""Graphs without gates: the same as with constants in their place, smaller, and still valid."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
import torchvision
from exported import WILD, export, outputs, quantised, small, wild
from onnx import ModelProto, numpy_helper

import stripe.onnx
from stripe.errors import ModelError, UnknownNameError
from stripe.onnx.session import tensor_difference


def means_of(model: str | Path | ModelProto) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {gate.name: rng.random(gate.channels) for gate in stripe.onnx.find_gates(model)}


def with_constants(model: ModelProto, means: dict[str, np.ndarray]) -> ModelProto:
    """Return a model whose gates, tensors (B, C, 1, 1), are overwritten; the oracle."""
    changed = ModelProto()
    changed.CopyFrom(model)
    for name, vector in means.items():
        tensor = numpy_helper.from_array(
            vector.astype(np.float32).reshape(1, -1, 1, 1), "m." + name
        )
        changed.graph.initializer.append(tensor)
        for node in changed.graph.node:
            for number, read in enumerate(node.input):
                if read == name:
                    node.input[number] = tensor.name
    return changed


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / np.abs(one).max())


HEAD = '<ir_version: 8, opset_import: ["" : 17]> g (float[N, 3, H, W] x) => (float[N, D, P, Q] y)'
WEIGHTS = {
    "w": (4, 3, 3, 3), "d": (4, 1, 3, 3), "u": (5, 4, 3, 3), "t": (3, 4, 2, 2), "b": (4,),
    "k": (1, 4, 1, 1), "six": (),
}  # fmt: skip


def graph_of(body: str) -> ModelProto:
    """Return a graph of lines between `x` and `y`, with the weights above and a gate `v`."""
    lines = [line.strip() for line in body.strip().splitlines()]
    model = onnx.parser.parse_model(HEAD + " {\n" + "\n".join(lines) + "\n}")
    rng = np.random.default_rng(0)
    for name, shape in WEIGHTS.items():
        value = rng.normal(size=shape).astype(np.float32)
        if name in {read for node in model.graph.node for read in node.input}:
            model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    return model


GATE = "m = GlobalAveragePool(f)\nv = Sigmoid(m)\n"
FOLDS = {
    "conv": ("f = Conv<pads=[1,1,1,1]>(x, w, b)\n" + GATE + "y = Mul(f, v)", "Conv"),
    "transposed": ("f = ConvTranspose(x, t, b)\n" + GATE + "y = Mul(v, f)", "ConvTranspose"),
    "depthwise": (
        "c = Conv(x, w)\nf = Conv<group=4>(c, d, b)\n" + GATE + "y = Mul(f, v)",
        "Conv",
    ),
    "relu": ("c = Conv(x, w, b)\nf = Relu(c)\n" + GATE + "y = Mul(f, v)", "Conv"),
    "constants": (
        "c = Conv(x, w, b)\ns = Mul(six, c)\nf = Add(s, k)\n" + GATE + "y = Mul(f, v)",
        "Conv",
    ),
    "residual": ("f = Conv(x, w, b)\n" + GATE + "p = Mul(f, v)\ny = Add(f, p)", "Conv"),
    "renamed residual": (
        "f = Conv(x, w, b)\n" + GATE + "i = Identity(f)\nj = Identity(f)\np = Mul(i, v)\n"
        "q = Identity(p)\ny = Add(j, q)",
        "Conv",
    ),
    "after": (
        "c = Conv(x, w, b)\nf = HardSwish(c)\n" + GATE + "p = Mul(f, v)\nr = Relu(p)\n"
        "y = Conv(r, u)",
        "Conv",
    ),
    "depthwise after": (
        "c = Conv(x, w, b)\nf = HardSwish(c)\n" + GATE + "p = Mul(f, v)\n"
        "y = Conv<group=4>(p, d, b)",
        "Conv",
    ),
    "two readers after": (
        "c = Conv(x, w, b)\nf = HardSwish(c)\n" + GATE + "p = Mul(f, v)\n"
        "q = Conv<group=4>(p, d, b)\nr = Conv<group=4>(p, d)\ny = Add(q, r)",
        "Conv",
    ),
    "norm": ("c = Conv(x, w)\nf = BatchNormalization(c, b, b, b, e)\n" + GATE + "y = Mul(f, v)",
             "BatchNormalization"),
    "norm after": ("c = Conv(x, w)\nf = HardSwish(c)\n" + GATE + "p = Mul(f, v)\n"
                   "y = BatchNormalization(p, b, b, b, e)", "BatchNormalization"),
    "sum of layers": (
        "c = Conv(x, w)\no = Conv(x, w, b)\nf = Add(c, o)\n" + GATE + "y = Mul(f, v)",
        "Conv",
    ),
    "second factor": (
        "c = Conv(x, w)\ng = Tanh(c)\no = Conv(x, w, b)\nf = Mul(g, o)\n" + GATE
        + "y = Mul(f, v)",
        "Conv",
    ),
    "cast like": (
        "c = Conv(x, w, b)\nf = HardSwish(c)\n" + GATE + "p = Mul(f, v)\nr = CastLike(p, x)\n"
        "s = CastLike(six, p)\nq = Conv(r, u)\ny = Mul(q, s)",
        "Conv",
    ),
    "divided": (
        "c = Conv(x, w, b)\nh = HardSigmoid(c)\nf = Div(h, six)\n" + GATE + "y = Mul(f, v)",
        "Mul",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDS)
def test_where_a_constant_folds(name: str) -> None:
    body, layer = FOLDS[name]
    model = graph_of(body)
    variance = numpy_helper.from_array(np.full(4, 0.7, dtype=np.float32), "e")
    if "(c, b, b, b, e)" in body or "(p, b, b, b, e)" in body:
        model.graph.initializer.append(variance)
    means = means_of(model)
    means["v"][1] = 0.0  # a channel that is shut
    frozen = stripe.onnx.freeze(model, means, image_shape=(3, 9, 9))
    assert frozen.report["folded"].all(), frozen.report["reason"].tolist()
    kinds = [node.op_type for node in frozen.model.graph.node]
    assert "Sigmoid" not in kinds
    assert "GlobalAveragePool" not in kinds
    assert layer in kinds
    x = np.random.default_rng(1).normal(size=(2, 3, 9, 9)).astype(np.float32)
    constant = with_constants(model, means)
    assert len(kinds) < len(constant.graph.node)
    assert difference(outputs(constant, x)[0], outputs(frozen.model, x)[0]) < 1e-5


STAYS = {
    "another reader": ("f = Conv(x, w, b)\n" + GATE + "p = Mul(f, v)\nr = HardSwish(p)\n"
                       "y = Mul(r, f)", "something else reads the output of Conv"),
    "hard swish on both sides": ("c = Conv(x, w, b)\nf = HardSwish(c)\n" + GATE +
                                 "p = Mul(f, v)\ny = HardSwish(p)", "HardSwish"),
    "two ways": ("c = Conv(x, w, b)\nf = HardSwish(c)\n" + GATE + "p = Mul(f, v)\n"
                 "h = GlobalAveragePool(p)\nq = Mul(p, h)\ny = Conv(q, u)",
                 "Conv y reads the features in two ways"),
    "an output": ("c = Conv(x, w, b)\nf = HardSwish(c)\n" + GATE + "y = Mul(f, v)",
                  "y is an output"),
}  # fmt: skip


@pytest.mark.parametrize("name", STAYS)
def test_what_does_not_fold_stays_a_constant(name: str) -> None:
    body, reason = STAYS[name]
    model = graph_of(body)
    means = means_of(model)
    frozen = stripe.onnx.freeze(model, means, image_shape=(3, 9, 9))
    assert not frozen.report["folded"].any()
    assert reason in frozen.report["reason"][0]
    x = np.random.default_rng(1).normal(size=(2, 3, 9, 9)).astype(np.float32)
    expected = outputs(with_constants(model, means), x)[0]
    assert difference(expected, outputs(frozen.model, x)[0]) < 1e-6


@pytest.mark.parametrize("axes", ["[2, 3]", "[-1]"])
def test_a_constant_passes_a_mean_without_its_axes(axes: str) -> None:
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, {"K" if "2" in axes else "P, K"}] y) {{
            f = HardSwish(x)
            m = GlobalAveragePool(f)
            v = Sigmoid(m)
            p = Mul(f, v)
            r = ReduceMean <axes = {axes}, keepdims = 0> (p)
            t = Transpose <perm = [{"0, 1" if "2" in axes else "0, 2, 1"}]> (r)
            y = MatMul(t, k)
        }}""")
    weights = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "k"))
    means = means_of(model)
    frozen = stripe.onnx.freeze(model, means, image_shape=(3, 9, 9))
    assert frozen.report["into"].tolist() == ["y"]
    x = np.random.default_rng(1).normal(size=(2, 3, 9, 9)).astype(np.float32)
    expected = outputs(with_constants(model, means), x)[0]
    assert difference(expected, outputs(frozen.model, x)[0]) < 1e-5


def test_a_gate_in_half_precision_of_features_in_full() -> None:
    model = graph_of(
        "f = Conv(x, w, b)\nh = Cast<to=10>(f)\nm = GlobalAveragePool(h)\nv = Sigmoid(m)\n"
        "g = Cast<to=1>(v)\ny = Mul(f, g)"
    )
    frozen = stripe.onnx.freeze(model, {"v": [0.25, 0.5, 1.0, 0.75]}, image_shape=(3, 9, 9))
    assert frozen.report["folded"].all()
    kept = stripe.onnx.freeze(model, {"v": [0.25] * 4}, fold=False, image_shape=(3, 9, 9)).model
    assert [t.data_type for t in kept.graph.initializer if t.name.startswith("v")] == [1]


def test_a_negative_number_does_not_pass_relu() -> None:
    model = graph_of(FOLDS["relu"][0])
    frozen = stripe.onnx.freeze(model, {"v": [1.0, -1.0, 0.5, 2.0]}, image_shape=(3, 9, 9))
    assert not frozen.report["folded"].any()


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_exports(tmp_path: Path, opset: int) -> None:
    path = export(small(), tmp_path / "m.onnx", opset=opset)
    model = onnx.load(path)
    model.metadata_props.add(key="character", value="a\nb")
    before = model.SerializeToString()
    means = means_of(model)
    frozen = stripe.onnx.freeze(model, means, image_shape=(3, 24, 24))
    assert model.SerializeToString() == before
    assert frozen.report["folded"].all()
    assert frozen.error < 1e-4
    assert [v.name for v in frozen.model.graph.output] == [v.name for v in model.graph.output]
    assert frozen.model.opset_import == model.opset_import
    assert frozen.model.metadata_props == model.metadata_props
    assert not {n.op_type for n in frozen.model.graph.node} & {"Sigmoid", "Expand", "Shape"}
    frozen.save(tmp_path / "f.onnx")
    assert (tmp_path / "f.onnx").stat().st_size < path.stat().st_size
    assert stripe.onnx.find_gates(tmp_path / "f.onnx") == []
    # The network of torch, with the same constants, says the same.
    network, x = small(), torch.randn(2, 3, 24, 24)
    for layer, vector in zip((3, 6), means.values(), strict=True):
        excite = network[layer]  # type: ignore[index]
        excite.fc = torch.nn.Sequential()
        constant = torch.from_numpy(vector).float()
        excite.register_forward_hook(lambda _, given, __, v=constant: given[0] * v[:, None, None])
    ours = outputs(frozen.model, x.numpy())[0]
    with torch.no_grad():
        excites = [network[3], network[6]]  # type: ignore[index]
        for excite in excites:
            excite.forward = lambda given: given
        np.testing.assert_allclose(ours, network(x).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "skresnet18", "resnest14d"])
def test_networks_of_timm(tmp_path: Path, name: str) -> None:
    network = timm.create_model(name, num_classes=4).eval()
    path = export(network, tmp_path / "m.onnx", opset=13, size=64)
    frozen = stripe.onnx.freeze(path, means_of(path), image_shape=(3, 64, 64))
    assert frozen.report["folded"].all(), frozen.report["reason"].tolist()
    assert frozen.error < 1e-4


def test_weights_that_are_inputs_too(tmp_path: Path) -> None:
    network = torchvision.models.mobilenet_v3_small(num_classes=4).eval()
    model = onnx.load(export(network, tmp_path / "m.onnx", size=32))
    model.ir_version = 3
    for tensor in model.graph.initializer:
        value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)
    frozen = stripe.onnx.freeze(model, means_of(model), image_shape=(3, 32, 32))
    assert frozen.report["folded"].all()
    inputs = {value.name for value in frozen.model.graph.input}
    assert inputs == {"images", *(tensor.name for tensor in frozen.model.graph.initializer)}


def test_half(tmp_path: Path) -> None:
    path = export(small(), tmp_path / "m.onnx", half=True)
    frozen = stripe.onnx.freeze(path, means_of(path), image_shape=(3, 24, 24))
    assert frozen.report["folded"].all()
    types = {tensor.data_type for tensor in frozen.model.graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types
    assert onnx.TensorProto.FLOAT not in types


def test_quantised_graphs_stay_quantised(tmp_path: Path) -> None:
    path = quantised(export(small(), tmp_path / "m.onnx"), tmp_path / "int8.onnx")
    means = means_of(path)
    frozen = stripe.onnx.freeze(path, means, image_shape=(3, 24, 24))
    assert frozen.report["frozen"].all()
    assert not frozen.report["folded"].any()
    assert "DequantizeLinear" in frozen.report["reason"][0]
    assert stripe.onnx.find_gates(frozen.model) == []
    products = [node for node in frozen.model.graph.node if node.op_type == "Mul"]
    made = {name: node.op_type for node in frozen.model.graph.node for name in node.output}
    for product in products:
        assert [made[name] for name in product.input] == ["DequantizeLinear"] * 2


@pytest.mark.parametrize("name", WILD)
def test_networks_that_others_trained(tmp_path: Path, name: str) -> None:
    path, gates, (height, width) = wild(name)
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)) - 0.5
    stripe.onnx.record(path, [x], tmp_path / "r")
    frozen = stripe.onnx.freeze(path, tmp_path / "r")
    assert frozen.report["frozen"].sum() == gates
    assert frozen.report["folded"].mean() >= 0.8
    assert frozen.error < 1e-4
    frozen.save(tmp_path / "f.onnx")
    assert (tmp_path / "f.onnx").stat().st_size < path.stat().st_size
    assert stripe.onnx.find_gates(tmp_path / "f.onnx") == []


def test_ties_of_labels_are_no_difference_of_a_fold() -> None:
    labels = np.zeros((2, 500, 500), dtype=np.int64)
    other = labels.copy()
    other[0, 3, 7] = 1
    assert tensor_difference({"y": labels}, {"y": other}) == 2e-6
    assert tensor_difference({"y": labels}, {"y": labels + 1}) == 1
    assert tensor_difference({"y": labels}, {"y": labels[:1]}) == float("inf")


def test_an_input_without_a_shape_is_not_valid(tmp_path: Path) -> None:
    model = onnx.load(export(small(), tmp_path / "m.onnx"))
    means = means_of(model)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelError, match="the graph is not valid ONNX: Field 'shape'"):
        stripe.onnx.freeze(model, means, image_shape=(3, 24, 24))


def test_means_of_another_model(tmp_path: Path) -> None:
    path = export(small(), tmp_path / "m.onnx")
    stripe.onnx.record(path, [torch.randn(3, 3, 24, 24)], tmp_path / "r")
    other = onnx.load(path)
    weight = next(t for t in other.graph.initializer if len(t.dims) == 4)
    changed = numpy_helper.from_array(numpy_helper.to_array(weight) + 1, weight.name)
    weight.CopyFrom(changed)
    moments = stripe.stats.channel_moments(tmp_path / "r")
    for means in (tmp_path / "r", moments):
        with pytest.raises(ModelError, match="recorded from this model"):
            stripe.onnx.freeze(other, means)
    assert len(stripe.onnx.freeze(path, moments).report) == 2
    assert len(stripe.onnx.freeze(other, tmp_path / "r", force=True).report) == 2


def test_means_that_do_not_fit(tmp_path: Path) -> None:
    path = export(small(), tmp_path / "m.onnx")
    names = [gate.name for gate in stripe.onnx.find_gates(path)]
    with pytest.raises(UnknownNameError, match="the means have no gate"):
        stripe.onnx.freeze(path, {names[0]: np.ones(8)})
    with pytest.raises(ModelError, match="8 finite numbers"):
        stripe.onnx.freeze(path, {names[0]: np.ones(7)}, gates=names[0])
    one = stripe.onnx.freeze(path, {names[0]: np.ones(8)}, gates=names[0])
    assert [gate.name for gate in stripe.onnx.find_gates(one.model)] == names[1:]
