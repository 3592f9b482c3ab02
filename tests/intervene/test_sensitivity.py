"""What freezing will cost: against a softmax by hand, and against the exact divergence."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError, StripeError, UnknownNameError
from stripe.outputs.scores import class_scores, divergence


class TwoGates(nn.Module):
    """Logits W (v1 m) + U (v2 m), m the mean of each plane, v1 and v2 sigmoids of 3 m and -m."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4, bias=False), nn.Linear(3, 4, bias=False)
        self.gates = nn.ModuleList([nn.Sigmoid(), nn.Sigmoid()])

    def forward(self, x: Tensor) -> Any:
        m = x.mean((2, 3), keepdim=True)
        one, other = x * self.gates[0](3 * m), x * self.gates[1](-m)
        return self.first(one.mean((2, 3))) + self.second(other.mean((2, 3)))


@pytest.fixture
def toy() -> Any:
    torch.manual_seed(0)
    return TwoGates().double().eval()


def exact(model: Any, x: Tensor, means: Any) -> Any:
    """Return mean(a aT) over images and labels, each label by its probability."""
    m = x.mean((2, 3)).numpy()
    ways = [means["gates.0"] - 1 / (1 + np.exp(-3 * m)), means["gates.1"] - 1 / (1 + np.exp(m))]
    weights = [layer.weight.detach().numpy() for layer in (model.first, model.second)]
    moved = np.stack([(d * m) @ w.T for d, w in zip(ways, weights, strict=True)])
    p = model(x).softmax(1).detach().numpy()
    a = moved - (p * moved).sum(2, keepdims=True)  # (gate, image, label)
    return np.einsum("nk,gnk,hnk->gh", p, a, a) / len(x)


def test_a_linear_softmax_by_hand(toy: Any) -> None:
    x = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = {"gates.0": np.array([0.3, 0.6, 0.2]), "gates.1": np.array([0.5, 0.1, 0.9])}
    expected = exact(toy, x, means)
    many = x.repeat(400, 1, 1, 1)
    found = stripe.sensitivity(toy, [many], means, example=x, draws=10, progress=False)
    np.testing.assert_allclose(found.matrix, expected, rtol=0.05, atol=1.5e-4)
    np.testing.assert_allclose(found.gates["fisher"], np.diag(found.matrix) / 2)
    assert (
        np.abs(found.gates["fisher"] - np.diag(expected) / 2) < 4 * found.gates["fisher_se"]
    ).all()
    assert found.cost() == pytest.approx(found.matrix.to_numpy().sum() / 2)
    assert found.cost("gates.1") == pytest.approx(found.gates["fisher"][1])
    assert (found.n_images, found.draws) == (2000, 10)


class TwoPositions(nn.Module):
    """Two heads on two gates: strings (B, 2, 4), or maps (B, 4, 1, 2)."""

    def __init__(self, maps: bool) -> None:
        super().__init__()
        self.heads = nn.ModuleList([TwoGates(), TwoGates()])
        self.heads[1].gates = self.heads[0].gates
        self.maps = maps

    def forward(self, x: Tensor) -> Tensor:
        m = x.mean((2, 3), keepdim=True)
        heads: Any = self.heads
        one, other = x * heads[0].gates[0](3 * m), x * heads[0].gates[1](-m)
        both = torch.stack([
            head.first(one.mean((2, 3))) + head.second(other.mean((2, 3))) for head in heads
        ], 1)  # fmt: skip
        return both.transpose(1, 2)[:, :, None] if self.maps else both


@pytest.mark.parametrize("maps", [False, True])
def test_positions_add_as_independent_labels(maps: bool) -> None:
    torch.manual_seed(0)
    model = TwoPositions(maps).double().eval()
    x = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = {"gates.0": np.array([0.3, 0.6, 0.2]), "gates.1": np.array([0.5, 0.1, 0.9])}
    expected = sum(exact(head, x, means) for head in model.heads)
    named = {f"heads.0.{name}": mean for name, mean in means.items()}
    many = x.repeat(400, 1, 1, 1)
    found = stripe.sensitivity(model, [many], named, example=x, draws=10, progress=False)
    np.testing.assert_allclose(found.matrix, expected, rtol=0.05, atol=3e-4)


def test_the_numbers_of_a_channel_are_those_of_a_gate_of_one_channel(toy: Any) -> None:
    x = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = {"gates.0": np.array([0.3, 0.6, 0.2])}
    m = x.mean((2, 3)).numpy()
    gate = 1 / (1 + np.exp(-3 * m))
    found = stripe.sensitivity(toy, [x], means, example=x, draws=3, seed=5, progress=False)
    p = toy(x).softmax(1).detach()
    labels = p.multinomial(3, replacement=True, generator=torch.Generator().manual_seed(5)).numpy()
    weight, p = toy.first.weight.detach().numpy(), p.numpy()
    slope = (weight[labels] - (p @ weight)[:, None]) * m[:, None]  # (image, draw, channel)
    a = slope * (means["gates.0"] - gate)[:, None]
    np.testing.assert_allclose(found.channels["fisher"], (a**2).mean((0, 1)) / 2)
    np.testing.assert_allclose(found.channels["first_order"], np.abs(a).mean((0, 1)))
    np.testing.assert_allclose(found.gates["first_order"], np.abs(a.sum(2)).mean())
    np.testing.assert_allclose(found.gates["fisher"], (a.sum(2) ** 2).mean() / 2)
    spread = (a.sum(2) ** 2).mean(1).std(ddof=1) / 2 / 8**0.5
    np.testing.assert_allclose(found.gates["fisher_se"], spread)


def test_batches_add_up(toy: Any) -> None:
    x = torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = {"gates.0": np.full(3, 0.5), "gates.1": np.full(3, 0.4)}
    options: Any = {"example": x, "draws": 1, "progress": False}
    whole = stripe.sensitivity(toy, [x], means, **options)
    parts = stripe.sensitivity(toy, [x[:4], x[4:]], means, **options)
    np.testing.assert_allclose(whole.matrix, parts.matrix)
    np.testing.assert_allclose(whole.channels["fisher"], parts.channels["fisher"])


def network(attention: str) -> Any:
    torch.manual_seed(1)
    model = stripe.build("resnet8_basic", attention=attention, num_classes=5, in_channels=1)
    for name, parameter in model.named_parameters():  # so that every gate depends on the image
        if "reduce.bias" in name:
            nn.init.constant_(parameter, 5.0)
    return model.double().eval()


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["se", "eca"])
def test_the_estimate_is_the_exact_divergence_where_gates_move_little(
    attention: str, tmp_path: Path
) -> None:
    model = network(attention)
    x = torch.randn(24, 1, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    recording = stripe.record(model, [x], tmp_path / "r", progress=False)
    found = stripe.sensitivity(model, [x], recording, draws=32, progress=False)
    with torch.no_grad():
        before = model(x)
        truth = []
        for gate in found.gates["gate"]:
            with stripe.intervene(model, "mean", recording, gate):
                truth.append(float(divergence(before, model(x)).mean()))
        with stripe.intervene(model, "mean", recording):
            together = float(divergence(before, model(x)).mean())
    np.testing.assert_allclose(found.gates["fisher"], truth, rtol=0.25)
    assert found.cost() == pytest.approx(together, rel=0.5)
    (gate, *_) = found.gates["gate"]
    of_gate = found.channels[found.channels["gate"] == gate]
    mean, exact_of = torch.from_numpy(recording.values(gate).mean(0, dtype=float)), []
    for channel in range(len(of_gate)):

        def one(values: Tensor, channel: int = channel) -> Tensor:
            return torch.where(torch.arange(len(mean)) == channel, mean, values)

        with torch.no_grad(), stripe.intervene(model, one, gates=gate):
            exact_of.append(float(divergence(before, model(x)).mean()))
    assert spearmanr(exact_of, of_gate["fisher"]).statistic > 0.95


def test_greedy_adds_what_costs_the_set_least() -> None:
    import pandas as pd

    from stripe.intervene.sensitivity_result import Sensitivity

    matrix = pd.DataFrame([[2.0, 0, -1.5], [0, 1, 0.6], [-1.5, 0.6, 3]], list("abc"), list("abc"))
    found = Sensitivity(pd.DataFrame(), pd.DataFrame(), matrix, 1, 1)
    # b: 0.5; then a: 0.5 + 1, against c: 0.5 + 1.5 + 0.6; then c: 1.5 + 1.5 + 0.6 - 1.5.
    assert found.greedy()["gate"].tolist() == ["b", "a", "c"]
    np.testing.assert_allclose(found.greedy()["cost"], [0.5, 1.5, 2.1])
    assert found.cost() == pytest.approx(2.1)
    matrix.loc["a", "b"] = np.nan
    with pytest.raises(ModelError, match=r"\Aan order by cost needs finite gradients .*\Z"):
        found.greedy()


def test_one_image_gives_no_standard_error(toy: Any) -> None:
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    means = {"gates.0": np.full(3, 0.3)}
    found = stripe.sensitivity(toy, [x[:1]], means, example=x, progress=False)
    assert found.gates["fisher_se"].isna().all()


def test_the_model_is_left_as_it_was(toy: Any) -> None:
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    toy.train()
    state, keys = torch.get_rng_state(), {n: set(vars(m)) for n, m in toy.named_modules()}
    stripe.sensitivity(toy, [x], {"gates.0": np.zeros(3)}, example=x, progress=False)
    assert toy.training
    assert all(parameter.grad is None for parameter in toy.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in toy.modules())
    assert {n: set(vars(m)) for n, m in toy.named_modules()} == keys
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("fails", [False, True])
def test_weights_take_no_gradients_meanwhile(toy: Any, fails: bool) -> None:
    toy.second.weight.requires_grad_(False)
    seen: list[bool] = []

    def scores(output: Tensor) -> Tensor:
        seen.extend(p.requires_grad for p in toy.parameters())
        if fails:
            raise ValueError("no scores")
        return output

    x = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    options: Any = {"example": x, "predict": scores, "progress": False}
    with pytest.raises(ValueError, match="no scores") if fails else nullcontext():
        stripe.sensitivity(toy, [x], {"gates.0": np.zeros(3)}, **options)
    assert seen == [False, False]
    assert [p.requires_grad for p in toy.parameters()] == [True, False]


class Detached(TwoGates):
    """The second gate is out of reach of gradients, or has no part in the logits."""

    def __init__(self, part: bool) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Any:
        m = x.mean((2, 3), keepdim=True)
        one, other = x * self.gates[0](3 * m), x * self.gates[1](-m)
        rest = self.second(other.mean((2, 3)).detach())
        return self.first(one.mean((2, 3))) + (rest if self.part else 0 * rest)


def test_a_gate_without_gradients_costs_nothing_only_if_it_changes_nothing() -> None:
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    means = {"gates.0": np.zeros(3), "gates.1": np.zeros(3)}
    options: Any = {"example": x, "progress": False}
    without = stripe.sensitivity(Detached(False).double().eval(), [x], means, **options)
    assert without.gates["fisher"][0] > 0
    assert without.gates["fisher"][1] == 0
    with pytest.raises(ModelError, match=r"\A(?=.*'gates.1')(?=.*none reaches it).*no_grad.*\Z"):
        stripe.sensitivity(Detached(True).double().eval(), [x], means, **options)


def test_scores_are_found_where_hugging_face_has_them() -> None:
    logits = torch.randn(2, 3).half()
    assert class_scores({"logits": logits}).dtype == torch.float32
    assert torch.equal(class_scores((1, logits), lambda out: out[1]), logits.float())
    with pytest.raises(ModelError, match=r"\(B, classes\), got \(2, 3, 1\); give predict="):
        class_scores(logits[..., None])


def test_divergence_by_hand() -> None:
    p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])
    expected = 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    assert float(divergence(p.log(), q.log() + 7)) == pytest.approx(expected, rel=1e-6)


def test_bad_input_is_one_line(toy: Any) -> None:
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    means = {"gates.0": np.zeros(3)}
    with pytest.raises(StripeError, match=r"\Adraws is 1 or more, got 0\Z"):
        stripe.sensitivity(toy, [x], means, draws=0)
    with pytest.raises(UnknownNameError, match=r"no gate 'gates.2'"):
        stripe.sensitivity(toy, [x], means, "gates.2", example=x)
    with pytest.raises(ModelError, match="got none; a generator gives its batches only once"):
        stripe.sensitivity(toy, [], means, example=x, progress=False)
