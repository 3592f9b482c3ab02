"""Recordings of graphs hold what onnxruntime puts out, to the bit."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
import torchvision
from exported import WILD, export, outputs, quantised, small, wild
from onnxruntime.transformers.float16 import convert_float_to_float16

import stripe
import stripe.onnx
from stripe.errors import ModelError
from stripe.recording import open_recording
from stripe.stats import channel_moments, stripe_index


def images(count: int, height: int = 24, width: int = 24) -> torch.Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("opset", [11, 18])
def test_values_and_inputs(tmp_path: Path, opset: int) -> None:
    path = export(small(), tmp_path / "m.onnx", opset=opset)
    x = images(6)
    labels = torch.arange(6)
    recording = stripe.onnx.record(path, [(x[:4], labels[:4]), (x[4:], labels[4:])], tmp_path / "r")
    names = recording.gates["name"].tolist()
    model = onnx.load(path)
    parts = [outputs(model, part.numpy(), *names) for part in (x[:4], x[4:])]
    for number, name in enumerate(names, start=1):
        expected = np.concatenate([part[number].reshape(len(part[0]), -1) for part in parts])
        np.testing.assert_array_equal(recording.values(name), expected)
    relu = next(node.output[0] for node in model.graph.node if node.op_type == "Relu")
    before = np.concatenate([outputs(model, p.numpy(), relu)[1] for p in (x[:4], x[4:])])
    np.testing.assert_allclose(recording.inputs(names[0]), before.mean((2, 3)), rtol=1e-5)
    scores = np.concatenate([part[0] for part in parts])
    assert recording.images["prediction"].tolist() == scores.argmax(1).tolist()
    assert recording.images["label"].tolist() == list(range(6))
    assert len(recording.verify()) == 1
    assert set(stripe_index(recording)["gate"]) == set(names)


#: Network, operator set, images of any size, and how the numbers are kept.
EXPORTS = [
    ("timm", "mobilenetv3_small_050", 11, True, "float"),
    ("timm", "lcnet_050", 18, False, "float"),
    ("timm", "regnety_002", 13, True, "half"),
    ("torchvision", "mobilenet_v3_small", 13, True, "half inside"),
    ("torchvision", "efficientnet_b0", 17, True, "int8"),
    ("timm", "mobilenetv3_small_050", 17, False, "int8 by channel"),
    ("torchvision", "regnet_y_400mf", 12, True, "float"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("library", "name", "opset", "dynamic", "numbers"), EXPORTS)
def test_exports_of_other_libraries(
    tmp_path: Path, library: str, name: str, opset: int, dynamic: bool, numbers: str
) -> None:
    """Recorded to the bit, frozen, and folded unless the graph is quantised."""
    torch.manual_seed(0)
    if library == "timm":
        network = timm.create_model(name, num_classes=4).eval()
    else:
        network = torchvision.models.get_model(name, num_classes=4).eval()
    x, half = images(3, 64, 64), numbers == "half"
    count = len(stripe.find_gates(network, x))
    path = export(network, tmp_path / "m.onnx", opset=opset, dynamic=dynamic, size=64, half=half)
    if numbers == "half inside":
        converted = convert_float_to_float16(onnx.load(path), keep_io_types=True)
        onnx.save(converted, path)
    elif numbers.startswith("int8"):
        options = {"per_channel": "channel" in numbers}
        path = quantised(path, tmp_path / "q.onnx", size=64, **options)
    model = onnx.load(path)
    recording = stripe.onnx.record(model, [x[:2], x[2:]], tmp_path / "r", progress=False)
    names = recording.gates["name"].tolist()
    assert len(names) == count
    plain = [outputs(model, fed(part, half), *names)[1:] for part in (x[:2], x[1:])]
    for number, gate in enumerate(names):
        first, second = (values[number].reshape(2, -1) for values in plain)
        np.testing.assert_array_equal(recording.values(gate)[:2], first)
        if dynamic:
            np.testing.assert_allclose(recording.values(gate)[2], second[1], rtol=1e-2, atol=1e-3)
    frozen = stripe.onnx.freeze(model, recording)
    assert frozen.report["frozen"].all()
    if numbers.startswith("int8"):
        assert frozen.report["reason"].str.contains("DequantizeLinear .* is quantised").all()
    else:
        assert frozen.report["folded"].all(), frozen.report["reason"].tolist()
        assert frozen.error <= (3e-2 if "half" in numbers else 1e-4)
    assert stripe.onnx.find_gates(frozen.model) == []


def fed(images: torch.Tensor, half: bool) -> np.ndarray:
    array: np.ndarray = images.numpy().astype(np.float16 if half else np.float32)
    return array


def test_moments_alone(tmp_path: Path) -> None:
    path = export(small(), tmp_path / "m.onnx")
    batches = [images(5), images(3) + 1]
    stripe.onnx.record(path, batches, tmp_path / "values")
    stripe.onnx.record(path, batches, tmp_path / "moments", values=False)
    whole, kept = (channel_moments(open_recording(tmp_path / n)) for n in ("values", "moments"))
    np.testing.assert_allclose(whole["mean"], kept["mean"], rtol=1e-6)
    np.testing.assert_allclose(whole["std"], kept["std"], rtol=1e-4, atol=1e-9)


def test_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    fixed = export(small(), tmp_path / "fixed.onnx", dynamic=False, batch=4)
    free = export(small(), tmp_path / "free.onnx")
    for path in (fixed, free):
        names = stripe.onnx.record(path, [images(6)], tmp_path / path.stem).gates["name"].tolist()
    one, other = (open_recording(tmp_path / n) for n in ("fixed", "free"))
    assert one.values(names[0]).shape == (6, 8)
    np.testing.assert_allclose(one.values(names[1]), other.values(names[1]), rtol=1e-5)


def test_a_batch_that_is_only_declared_to_be_dynamic(tmp_path: Path) -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y)
        <int64[4] shape = {1, 3, 1, 1}> {
            m = GlobalAveragePool(x)
            c = Sigmoid(m)
            v = Reshape(c, shape)
            y = Mul(x, v)
        }""")
    with pytest.raises(ModelError, match="declares a batch of any size, and fails on one of 3"):
        stripe.onnx.record(model, [images(3)], tmp_path / "r")
    assert not (tmp_path / "r").exists()
    alone = stripe.onnx.record(model, [images(1)], tmp_path / "r")
    assert alone.gates["name"].tolist() == ["c"]


def test_rows_that_are_of_other_images(tmp_path: Path) -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y)
        <int64[4] shape = {-1, 3, 1, 1}, int64[4] mixed = {3, -1, 1, 1}> {
            m = GlobalAveragePool(x)
            c = Sigmoid(m)
            a = Reshape(c, mixed)
            b = Transpose <perm = [1, 0, 2, 3]> (a)
            v = Reshape(b, shape)
            y = Mul(x, v)
        }""")
    with pytest.raises(ModelError, match="change with the order of the batch"):
        stripe.onnx.record(model, [images(4)], tmp_path / "r")


def test_operators_that_onnxruntime_does_not_know(tmp_path: Path) -> None:
    model = onnx.load(export(small(), tmp_path / "m.onnx"))
    next(node for node in model.graph.node if node.op_type == "Conv").domain = "somebodys.own"
    model.opset_import.append(onnx.helper.make_opsetid("somebodys.own", 1))
    with pytest.raises(ModelError, match="onnxruntime cannot load the model") as raised:
        stripe.onnx.record(model, [images(2)], tmp_path / "r")
    assert "somebodys.own" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("channels", [1, 4])
def test_images_that_do_not_fit(tmp_path: Path, channels: int) -> None:
    path = export(small(), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=f"Got: {channels} Expected: 3") as raised:
        stripe.onnx.record(path, [torch.randn(2, channels, 24, 24)], tmp_path / "r")
    assert "\n" not in str(raised.value)


def test_an_operator_set_of_the_future(tmp_path: Path) -> None:
    model = onnx.load(export(small(), tmp_path / "m.onnx"))
    model.opset_import[0].version = 99
    with pytest.raises(ModelError, match=r"FAIL : ONNX Runtime only .*guarantees") as raised:
        stripe.onnx.record(model, [images(2)], tmp_path / "r")
    assert "/onnxruntime_src" not in str(raised.value)


@pytest.mark.parametrize("name", WILD)
def test_networks_that_others_trained(tmp_path: Path, name: str) -> None:
    path, _, size = wild(name)
    x = images(3, *size)
    recording = stripe.onnx.record(path, [x], tmp_path / "r")
    names = recording.gates["name"].tolist()
    for gate, value in zip(names, outputs(onnx.load(path), x.numpy(), *names)[1:], strict=True):
        np.testing.assert_array_equal(recording.values(gate), value.reshape(3, -1))
