"""Audits of ONNX files: of labels, strings and masks."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from exported import export, small

import stripe
from stripe.errors import ModelError, StripeError


def test_an_audit_of_labels(tmp_path: Path) -> None:
    path = export(small(), tmp_path / "m.onnx")
    images = torch.randn(12, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 5
    found = stripe.audit(
        path, [(images, labels)], tmp_path / "report.html", curve=True, rounds=2, progress=False
    )
    assert found.n_images == (6, 6)
    assert (found.ordered_by, found.order_reason) == ("sensitivity", "")
    assert found.greedy["frozen"].tolist() == [0, 1, 2]
    assert found.greedy["agreement"].iloc[0] == 1.0
    assert found.greedy["accuracy"].notna().all()
    assert found.gates["folded"].all()
    assert found.greedy["kl"].iloc[0] == 0
    assert (found.greedy["kl"].iloc[1:] > 0).all()
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
    found = stripe.audit(model, [images], None, rounds=1, progress=False)
    assert 0.9 < found.greedy["agreement"].iloc[-1] < 1
    assert found.greedy["kl"].isna().all()


def test_what_cannot_be_audited(tmp_path: Path) -> None:
    path = export(small(), tmp_path / "m.onnx")
    with pytest.raises(StripeError, match="needs at least 4 images, got 3"):
        stripe.audit(path, [torch.zeros(3, 3, 24, 24)], None)
    with pytest.raises(ModelError, match=r"optimal=True needs a module, .*; leave optimal out"):
        stripe.audit(path, [torch.zeros(8, 3, 24, 24)], None, optimal=True)
    with pytest.raises(ModelError, match=r"controls=True needs a module, .*; leave controls out"):
        stripe.audit(path, [torch.zeros(8, 3, 24, 24)], None, controls=True)
    plain = export(torch.nn.Conv2d(3, 4, 3), tmp_path / "plain.onnx")
    with pytest.raises(ModelError, match="no gates were found in this graph"):
        stripe.audit(plain, [torch.zeros(4, 3, 24, 24)], None)
