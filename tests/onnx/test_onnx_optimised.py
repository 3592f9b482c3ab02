"""Graphs that onnxruntime optimised: activations fused into layers, and channels in blocks."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exported import export, outputs, small
from onnx import ModelProto
from torch import nn

import stripe.onnx
from stripe.errors import ModelError


def optimised(path: Path, out: Path) -> ModelProto:
    """Return a file as onnxruntime writes it after fusing nodes."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(out)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return onnx.load(out)


class Excite(nn.Module):
    """Squeeze-and-excite of convolutions, with residual features."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
        self.fc = nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 1), activation)
        self.after = nn.Sequential(nn.Conv2d(6, 4, 1), nn.LeakyReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.before(x)
        out: torch.Tensor = self.after(x * self.fc(x.mean((2, 3), keepdim=True)))
        return out


@pytest.mark.parametrize(
    "network", [small(), Excite(nn.Sigmoid()), Excite(nn.Hardsigmoid())], ids=str
)
def test_gates_of_fused_layers(tmp_path: Path, network: nn.Module) -> None:
    path = export(network.eval(), tmp_path / "m.onnx", opset=17)
    model = optimised(path, tmp_path / "o.onnx")
    fused = [n.op_type for n in model.graph.node if n.domain == "com.microsoft"]
    assert {"FusedConv", "FusedGemm"} & set(fused)
    x = torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    recording = stripe.onnx.record(model, [x], tmp_path / "r", progress=False)
    names = recording.gates["name"].tolist()
    assert len(names) == len(stripe.onnx.find_gates(path))
    for name, value in zip(names, outputs(model, x.numpy(), *names)[1:], strict=True):
        np.testing.assert_array_equal(recording.values(name), value.reshape(3, -1))
    frozen = stripe.onnx.freeze(model, recording)
    assert frozen.report["folded"].all(), frozen.report["reason"].tolist()
    assert frozen.error < 1e-4
    constant = stripe.onnx.freeze(model, recording, fold=False).model
    assert len(constant.graph.node) < len(model.graph.node)
    one, other = (outputs(m, x.numpy())[0] for m in (constant, frozen.model))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["HardSigmoid", "Tanh", ""])
@pytest.mark.parametrize("summed", [False, True])
def test_a_scale_passes_no_fused_activation(activation: str, summed: bool) -> None:
    numbers = ", activation_params = [0.2, 0.5]" * (activation == "HardSigmoid")
    given = f'<activation = "{activation}"{numbers}>' if activation else ""
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) <float[3] b = {{1, 2, -1}}> {{
            f = com.microsoft.FusedConv {given} (x, w, b{", x" * summed})
            m = GlobalAveragePool(f)
            v = Softmax <axis = 1> (m)
            y = Mul(f, v)
        }}""")
    weight = np.random.default_rng(0).normal(size=(3, 3, 1, 1)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    frozen = stripe.onnx.freeze(model, {"v": [0.2, 0.5, 0.3]}, image_shape=(3, 8, 8))
    assert frozen.report["folded"].tolist() == [not activation and not summed]
    if activation or summed:
        assert "which the scale changes" in frozen.report["reason"][0]


def test_channels_in_blocks_are_refused_by_name(tmp_path: Path) -> None:
    model = onnx.load(export(small(), tmp_path / "m.onnx"))
    layer = next(node for node in model.graph.node if node.op_type == "Conv")
    layer.domain = "com.microsoft.nchwc"
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft.nchwc", 1))
    with pytest.raises(ModelError, match=f"Conv {layer.name} is of com.microsoft.nchwc") as raised:
        stripe.onnx.find_gates(model)
    assert "\n" not in str(raised.value)
