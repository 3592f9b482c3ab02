"""What freezing a gate changes, against freezing it and comparing."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from exported import export, outputs, quantised, small
from onnx import ModelProto

import stripe
import stripe.onnx
from stripe.audit.graphs import GraphCandidate
from stripe.errors import ModelError
from stripe.onnx.distances import Embedding
from stripe.onnx.plan import plan
from stripe.onnx.switches import switched


def images(count: int = 12) -> torch.Tensor:
    return torch.randn(count, 3, 24, 24, generator=torch.Generator().manual_seed(1))


def divergences(model: ModelProto, frozen: ModelProto, x: torch.Tensor) -> np.ndarray:
    """Return KL(before || after) of each image; the oracle."""
    before, after = (torch.from_numpy(outputs(m, x.numpy())[0]).double() for m in (model, frozen))
    log_p, log_q = before.log_softmax(1), after.log_softmax(1)
    found: np.ndarray = (log_p.exp() * (log_p - log_q)).sum(1).numpy()
    return found


@pytest.mark.parametrize("opset", [11, 17])
def test_costs_are_the_divergences_of_frozen_graphs(tmp_path: Path, opset: int) -> None:
    path = export(small(), tmp_path / "m.onnx", opset=opset)
    model, x = onnx.load(path), images()
    recording = stripe.onnx.record(path, [x], tmp_path / "r", progress=False)
    found = stripe.onnx.sensitivity(path, [x[:8], x[8:]], recording, progress=False)
    assert found.n_images == 12
    for row in found.gates.itertuples():
        frozen = stripe.onnx.freeze(path, recording, gates=str(row.gate)).model
        each = divergences(model, frozen, x)
        assert row.fisher == pytest.approx(each.mean(), rel=0.05)
        assert row.fisher_se == pytest.approx(each.std(ddof=1) / 12**0.5, rel=0.1)
    both = stripe.onnx.freeze(path, recording).model
    assert found.cost() == pytest.approx(divergences(model, both, x).mean(), rel=0.3)
    least = found.gates.sort_values("fisher")["gate"].iloc[0]
    assert found.greedy()["gate"].iloc[0] == least


def test_a_gate_without_effect_costs_nothing(tmp_path: Path) -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, H, W] x) => (float[N, 3] y) <int64[2] places = {2, 3}, float[1] none = {0}> {
            m = GlobalAveragePool(x)
            idle = Sigmoid(m)
            a = Mul(x, idle)
            b = Mul(a, none)
            works = HardSigmoid(m)
            c = Mul(x, works)
            d = Add(b, c)
            y = ReduceMean <axes = [2, 3], keepdims = 0> (d)
        }""")
    means = {"idle": [0.1] * 3, "works": [0.9] * 3}
    found = stripe.onnx.sensitivity(model, [images()], means, progress=False)
    costs = found.gates.set_index("gate")["fisher"]
    assert costs["idle"] == 0
    assert costs["works"] > 0
    assert found.greedy()["gate"].tolist() == ["idle", "works"]
    alone = stripe.onnx.sensitivity(model, [images()], means, "works", progress=False)
    assert alone.gates["fisher"].tolist() == pytest.approx([costs["works"]])


@pytest.mark.parametrize(
    ("form", "count"), [({}, 2), ({"half": True}, 2), ({"dynamic": False, "batch": 5}, 2)]
)
def test_switches_that_are_off_change_nothing(
    tmp_path: Path, form: dict[str, object], count: int
) -> None:
    path = export(small(), tmp_path / "m.onnx", **form)  # type: ignore[arg-type]
    model = onnx.load(path)
    means = {g.name: [0.5] * g.channels for g in stripe.onnx.find_gates(model)}
    planned = plan(model, means)
    before = model.SerializeToString()
    changed = switched(planned.original, planned.places, [np.array(v) for v in means.values()])
    assert model.SerializeToString() == before
    x = images(5).numpy().astype(np.float16 if "half" in form else np.float32)
    np.testing.assert_allclose(
        outputs(changed, x)[0], outputs(model, x)[0], rtol=1e-2 if "half" in form else 1e-5
    )
    found = stripe.onnx.sensitivity(model, [images(7)], means, progress=False)
    assert (found.gates["fisher"] > 0).sum() == count


def test_quantised_graphs(tmp_path: Path) -> None:
    path = quantised(export(small(), tmp_path / "m.onnx"), tmp_path / "q.onnx")
    recording = stripe.onnx.record(path, [images()], tmp_path / "r", progress=False)
    found = stripe.onnx.sensitivity(path, [images()], recording, progress=False)
    assert np.isfinite(found.gates["fisher"]).all()


def test_what_outputs_are() -> None:
    rng = np.random.default_rng(0)
    classes = rng.dirichlet(np.ones(5), size=4).astype(np.float32)
    kinds: dict[str, np.ndarray] = {
        "classes": classes,
        "logits": rng.normal(size=(4, 7, 5)),
        "binary": rng.random((4, 1, 6, 6)),
        "binary logits": rng.normal(size=(4, 1)),
        "values": rng.normal(size=(4, 1, 2, 3, 4)),
    }
    for kind, output in kinds.items():
        assert Embedding.of(output).kind == kind
    near = classes * np.array([1.01, 0.99, 1, 1, 1], dtype=np.float32)
    near /= near.sum(1, keepdims=True)
    exact = (classes.astype(float) * np.log(classes.astype(float) / near)).sum(1)
    points = Embedding.of(classes)
    distance = np.square(points(near) - points(classes)).sum(1) / 2
    np.testing.assert_allclose(distance, exact, rtol=0.05)
    from_logits = Embedding("logits")(np.log(classes))
    np.testing.assert_allclose(from_logits, points(classes), rtol=1e-5)


def test_an_audit_of_a_graph_knows_what_gates_cost(tmp_path: Path) -> None:
    path, x = export(small(), tmp_path / "m.onnx"), images(40)
    recording = stripe.onnx.record(path, [x], tmp_path / "r", progress=False)
    expected = stripe.onnx.sensitivity(path, [x], recording, progress=False)
    names = expected.gates["gate"].tolist()
    candidate = GraphCandidate(path, None, 1)
    found = candidate.sensitivity(x.split(8), recording, names[::-1], progress=False)
    assert found.n_images == 40
    assert found.greedy()["gate"].tolist() == expected.greedy()["gate"].tolist()
    sampled = candidate.sensitivity(images(90).split(40), recording, names, progress=False)
    assert sampled.n_images == 64
    assert stripe.audit(path, [x], None, rounds=1, progress=False).fold_error < 1e-4


def test_what_cannot_be_measured() -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 3, opset_import: ["" : 8]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) {
            m = GlobalAveragePool(x)
            s = Sigmoid(m)
            y = Mul(x, s)
        }""")
    with pytest.raises(ModelError, match="operator set 9 or later, got 8"):
        stripe.onnx.sensitivity(model, [images()], {"s": [0.5] * 3}, progress=False)
    model.opset_import[0].version = 9
    with pytest.raises(ModelError, match="at least one batch"):
        stripe.onnx.sensitivity(model, [], {"s": [0.5] * 3}, progress=False)
    assert len(stripe.onnx.sensitivity(model, [images()], {"s": [0.5] * 3}).gates) == 1
