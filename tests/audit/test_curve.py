"""Which gates an audit freezes: the order by cost, and the tables of sets."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.asr import Gated
from stripe.errors import ModelError
from stripe.hooks.mixed import random_halves
from stripe.intervene.ablate import ABLATIONS
from stripe.outputs.scores import divergence


class Brightness(nn.Module):
    """Two gates: 0.5 plus and minus the brightness of the image, times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, y: Tensor) -> Tensor:
        bright = self.factor * torch.tanh(y.mean((1, 2, 3), keepdim=True))
        return torch.cat([0.5 + bright, 0.5 - bright], 1)


def network(*factors: float) -> nn.Sequential:
    """Return a network whose last gate decides; the gates before multiply both channels alike."""
    spread, join, again = (
        nn.Conv2d(1, 2, 1, bias=False),
        nn.Conv2d(2, 1, 1, bias=False),
        nn.Conv2d(1, 2, 1, bias=False),
    )
    nn.init.ones_(spread.weight)
    for layer in (join, again):
        nn.init.ones_(layer.weight)
    parts: list[nn.Module] = [Gated(spread, Brightness(factors[0]))]
    for factor in factors[1:]:
        parts += [join, Gated(again, Brightness(factor))]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def images() -> Tensor:
    bright = torch.linspace(0.5, 1.5, 80)[torch.randperm(80, generator=torch.manual_seed(0))]
    return bright.view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()


def sides(output: Tensor) -> list[int]:
    """Return which of three parts the difference of the scores lies in."""
    return torch.bucketize(output[:, 0] - output[:, 1], torch.tensor([0.02, 0.04])).tolist()


def test_a_gate_that_varies_much_and_matters_nothing_goes_first() -> None:
    model = network(0.3, 0.02)  # the first varies more, and its channels are added up
    found = stripe.audit(model, [images()], None, predict=sides, rounds=1, progress=False)
    first, last = found.gates["gate"]
    spread = found.gates.set_index("gate")["relative_spread"]
    assert spread[first] > 2 * spread[last]
    assert found.order == [first, last]
    assert (found.ordered_by, found.order_reason) == ("sensitivity", "")
    assert found.recommended == [first]
    cost = found.gates.set_index("gate")["predicted_kl"]
    assert cost[first] < 1e-9 < cost[last]
    assert found.greedy["predicted_kl"].iloc[0] == 0
    assert found.greedy["predicted_kl"].iloc[2] == pytest.approx(cost.sum())


class SumAndDifference(nn.Module):
    """Scores w + u and w - u: one gate is in w, on which no probability depends, one in u."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.ModuleList([nn.Sigmoid(), nn.Sigmoid()])

    def forward(self, x: Tensor) -> Tensor:
        x = x.repeat(1, 2, 1, 1)
        m = x.mean((2, 3), keepdim=True)
        w, u = (
            (x * gate(k * m)).mean((1, 2, 3)) for gate, k in zip(self.gates, (2, 0.2), strict=True)
        )
        return torch.stack([w + u, w - u], 1)


def test_a_set_by_the_relative_spread_that_is_larger_is_taken() -> None:
    def sums(output: Tensor) -> list[int]:
        return (10 * output.sum(1)).round().int().tolist()

    found = stripe.audit(
        SumAndDifference(), [images()], None, predict=sums, rounds=1, progress=False
    )
    assert found.gates["predicted_kl"][0] < 1e-12 < found.gates["predicted_kl"][1]
    assert found.ordered_by == "relative_spread"
    assert found.order_reason == "the set by the relative spread is larger"
    assert found.recommended == ["gates.1"]
    assert found.greedy["predicted_kl"].isna().tolist() == [False, True, True]


def test_the_whole_curve_on_request() -> None:
    model = network(0.3, 0.2, 0.1, 0.05, 0.02)
    options: dict[str, Any] = {"predict": sides, "rounds": 1, "progress": False}
    few = stripe.audit(model, [images()], None, **options)
    every = stripe.audit(model, [images()], None, curve=True, **options)
    assert every.greedy["frozen"].tolist() == [0, 1, 2, 3, 4, 5]
    assert every.recommended == few.recommended == few.order[:4]
    assert set(few.greedy["frozen"]) < set(every.greedy["frozen"])
    both = every.greedy.merge(few.greedy)
    assert len(both) == len(few.greedy)  # the same numbers where both were measured


def test_each_gate_alone_on_request_and_the_divergence_of_sets() -> None:
    model, batch = network(0.3, 0.2, 0.1), images()
    options: dict[str, Any] = {"predict": sides, "rounds": 1, "progress": False}
    few = stripe.audit(model, [batch], None, **options)
    assert few.gates["kl"].isna().any()
    every = stripe.audit(model, [batch], None, alone=True, **options)
    assert every.greedy.equals(few.greedy)
    known, held_out = (batch[half] for half in random_halves(len(batch)))
    with torch.no_grad():
        before = model(held_out)
        for gate, cost in every.gates.set_index("gate")["kl"].items():
            mean = gate_values(model, str(gate), known).mean(0)
            with stripe.intervene(model, mean, gates=str(gate), example=batch):
                exact = float(divergence(before, model(held_out)).mean())
            assert cost == pytest.approx(exact, rel=1e-3, abs=1e-9)
        means = {str(g): gate_values(model, str(g), known).mean(0) for g in every.order}
        with stripe.intervene(model, means, example=batch):
            kl = divergence(before, model(held_out))
    last = every.greedy.iloc[-1]
    error = 1.96 * float(kl.std()) / len(kl) ** 0.5
    assert last["kl"] == pytest.approx(float(kl.mean()), rel=1e-3)
    assert last["kl_high"] - last["kl"] == pytest.approx(error, rel=1e-3)
    assert every.greedy["kl"].iloc[0] == 0


def gate_values(model: nn.Module, gate: str, batch: Tensor) -> Tensor:
    """Return a gate, images x channels, in the untouched network."""
    seen: list[Tensor] = []
    handle = model.get_submodule(gate).register_forward_hook(lambda *call: seen.append(call[2]))
    model(batch)
    handle.remove()
    return seen[0].flatten(1)


def test_controls_on_request() -> None:
    model, batch = network(0.3, 0.2), images()[:66]
    options: dict[str, Any] = {"predict": sides, "rounds": 1, "progress": False}
    assert stripe.audit(model, [batch], None, **options).controls is None
    # 33 images are held out, in batches of 32: none is alone, since it could not be shuffled.
    found = stripe.audit(model, [batch], None, batch_size=32, controls=True, **options)
    table = found.controls
    assert table is not None
    assert table["intervention"].tolist() == ["none", *ABLATIONS]
    assert table["gate"].tolist() == ["", *["all"] * len(ABLATIONS)]
    kl = table.set_index("intervention")["kl"]
    assert kl["mean"] == pytest.approx(found.greedy["kl"].iloc[-1], rel=1e-3)
    with torch.no_grad():
        held_out = batch[random_halves(len(batch))[1]]
        before = model(held_out)
        with stripe.intervene(model, "zero", example=batch):
            exact = float(divergence(before, model(held_out)).mean())
    assert kl["zero"] == pytest.approx(exact, rel=1e-3)
    assert len(found.to_json()["controls"]) == 1 + len(ABLATIONS)


def test_optimal_constants_beside_the_means_on_request() -> None:
    model = network(0.3, 0.2)
    options: dict[str, Any] = {"predict": sides, "rounds": 1, "progress": False}
    assert stripe.audit(model, [images()], None, **options).optimal is None
    labels = torch.arange(80) % 2
    found = stripe.audit(model, [(images(), labels)], None, optimal=True, **options)
    table = found.optimal
    assert table is not None
    assert table["constants"].tolist() == ["none", "mean", "optimal"]
    assert table["gates"].tolist() == [0, 2, 2]
    assert table["accuracy"].notna().all()
    mean = table.set_index("constants").loc["mean"]
    assert mean["kl"] == pytest.approx(found.greedy["kl"].iloc[-1], rel=1e-3)
    assert len(found.to_json()["optimal"]) == 3


def test_no_scores_means_the_usual_order_and_a_reason() -> None:
    class Maps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network(0.3, 0.02)

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.body(x)
            return scores[..., None, None, None]

    def labels(output: Tensor) -> Tensor:
        return output.flatten(1).argmax(1)

    found = stripe.audit(Maps(), [images()], None, predict=labels, rounds=1, progress=False)
    assert found.ordered_by == "relative_spread"
    assert "class scores (B, classes)" in found.order_reason
    assert found.gates["predicted_kl"].isna().all()
    assert found.greedy["kl"].isna().all()
    with pytest.raises(ModelError, match=r"class scores \(B, classes\)"):
        stripe.audit(Maps(), [images()], None, optimal=True, rounds=1, progress=False)
    spread = found.gates.set_index("gate")["relative_spread"]
    assert spread[found.order].is_monotonic_increasing
