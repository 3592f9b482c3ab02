"""Audits of ONNX files: of labels, strings and masks."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from stripe.audit.agreement import agreement, predictions
from stripe.audit.graph import audit_graph
from stripe.errors import ModelError, StripeError

sys.path.insert(0, str(Path(__file__).parents[1] / "onnx"))
from exported import export, small


def test_an_audit_of_labels(tmp_path: Path) -> None:
    path = export(small(), tmp_path / "m.onnx")
    images = torch.randn(12, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 5
    found = audit_graph(
        path, [(images, labels)], tmp_path / "report.html", rounds=2, progress=False
    )
    assert found.images == (6, 6)
    assert found.greedy["frozen"].tolist() == [0, 1, 2]
    assert found.greedy["agreement"].iloc[0] == 1.0
    assert found.greedy["accuracy"].notna().all()
    assert found.gates["folded"].all()
    assert found.milliseconds["batch_size"] == 6
    page = (tmp_path / "report.html").read_text()
    assert "stripe.onnx.freeze(model" in page
    assert "onnxruntime with 1 thread" in page
    json.dumps(found.to_json())


def test_an_audit_of_masks(tmp_path: Path) -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, 1, H, W] y) {
            m = GlobalAveragePool(x)
            v = Sigmoid(m)
            p = Mul(x, v)
            s = ReduceSum<keepdims = 1>(p, axis)
            y = Sigmoid(s)
        }""")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axis"))
    images = torch.randn(8, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    found = audit_graph(model, [images], None, rounds=1, progress=False)
    assert 0.9 < found.greedy["agreement"].iloc[-1] < 1


def test_agreement_by_hand() -> None:
    blank, a, b = np.eye(3)
    line = np.stack([[blank, a, a, blank, a, b]])
    assert predictions(line) == [(1, 1, 2)]
    assert predictions(np.array([[0.1, 0.9], [0.8, 0.2]])) == [1, 0]
    assert agreement([1, 0, 2, 2], [1, 0, 2, 0]) == 0.75
    mask = predictions(np.array([[[[0.9, 0.4], [0.1, 0.1]]], [[[0.0, 0.0], [0.0, 0.0]]]]))
    other = predictions(np.array([[[[0.9, 0.1], [0.1, 0.1]]], [[[0.0, 0.0], [0.0, 0.0]]]]))
    assert agreement(mask, other) == (0.5 + 1) / 2
    with pytest.raises(ModelError, match="got \\(2, 4, 5, 5\\)"):
        predictions(np.zeros((2, 4, 5, 5)))


def test_what_cannot_be_audited(tmp_path: Path) -> None:
    path = export(small(), tmp_path / "m.onnx")
    with pytest.raises(StripeError, match="needs at least 4 images, got 3"):
        audit_graph(path, [torch.zeros(3, 3, 24, 24)], None)
    plain = export(torch.nn.Conv2d(3, 4, 3), tmp_path / "plain.onnx")
    with pytest.raises(ModelError, match="no gates were found in this graph"):
        audit_graph(plain, [torch.zeros(4, 3, 24, 24)], None)
