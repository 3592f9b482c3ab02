"""Constants that are learned, against the divergence that they and the means cause."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError, StripeError
from stripe.intervene.optimal import optimal_constants
from stripe.outputs.scores import divergence


class OneGate(nn.Module):
    """Logits of features times a gate that is large where the features are."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.head = nn.Sigmoid(), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Any:
        return self.head((x * self.gate(3 * x.mean((2, 3), keepdim=True))).mean((2, 3)))


@torch.no_grad()
def cost(model: Any, x: Tensor, constants: Any) -> float:
    with stripe.intervene(model, constants, example=x):
        after = model(x)
    return float(divergence(model(x), after).mean())


def test_they_cost_less_than_the_means_on_other_images() -> None:
    torch.manual_seed(0)
    model = OneGate().double().eval()
    x = 1 + 2 * torch.randn(3000, 3, 2, 2, dtype=torch.float64)
    seen = torch.sigmoid(3 * x.mean((2, 3)))
    means = {"gate": seen.mean(0).numpy()}
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    found = optimal_constants(model, x[:2000].split(20), means, example=x, progress=False)
    assert found["gate"].shape == (3,)
    other = x[2000:]
    assert cost(model, other, found) < 0.9 * cost(model, other, means)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    frozen = stripe.freeze(model, found, example=x[:4]).model
    with torch.no_grad():
        of_frozen = float(divergence(model(other), frozen(other)).mean())
    assert of_frozen == pytest.approx(cost(model, other, found), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("lr", [0.05, 0.8])
def test_the_noise_of_small_batches_averages_out(lr: float) -> None:
    torch.manual_seed(0)
    model = OneGate().double().eval()
    x = 1 + 2 * torch.randn(3000, 3, 2, 2, dtype=torch.float64)
    means = {"gate": torch.sigmoid(3 * x.mean((2, 3))).mean(0).numpy()}
    batches, other = x[:2000].split(4), x[2000:]
    found = optimal_constants(model, batches, means, lr=lr, example=x, progress=False)
    # The last step of lr = 0.8 costs 1.6 times as much as the means, the average of steps 0.69.
    assert cost(model, other, found) < 0.72 * cost(model, other, means)


class Detached(OneGate):
    """The same, whose gate no gradient reaches."""

    def forward(self, x: Tensor) -> Any:
        gate = self.gate(3 * x.mean((2, 3), keepdim=True))
        with torch.no_grad():
            product = x * gate
        return self.head(product.mean((2, 3)) + 0 * x.mean())


def test_a_gate_without_gradients_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = Detached().eval(), torch.randn(40, 3, 2, 2)
    recording = stripe.record(model, [x], tmp_path / "r", progress=False)
    with pytest.raises(ModelError, match="gradients of the class scores"):
        optimal_constants(model, x.split(8), recording, progress=False)


def test_a_gate_that_is_a_constant_stays_at_its_mean() -> None:
    model = OneGate().double().eval()
    x = torch.zeros(6, 3, 2, 2, dtype=torch.float64)
    means = {"gate": np.full(3, 0.5)}
    found = optimal_constants(model, [x], means, example=x, progress=False)
    np.testing.assert_array_equal(found["gate"], means["gate"])


def test_bad_input_is_one_line() -> None:
    model, x = OneGate(), torch.zeros(2, 3, 2, 2)
    means = {"gate": np.full(3, 0.5)}
    with pytest.raises(StripeError, match=r"\Alr must be positive, got 0.0\Z"):
        optimal_constants(model, [x], means, lr=0.0)
    with pytest.raises(StripeError, match="got none; a generator gives its batches only once"):
        optimal_constants(model, [], means, example=x, progress=False)


def test_images_may_come_one_by_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = OneGate().eval(), torch.randn(8, 3, 4, 4)
    recording = stripe.record(model, [x], tmp_path / "r", progress=False)
    found: Any = {"constants": "optimal", "progress": False}
    with warnings.catch_warnings(action="error"):
        frozen = stripe.freeze(model, recording, images=list(x.split(1)), **found)
    # The first two images that are known become the example; the constants are learned from four.
    assert frozen.comparison is not None
    assert frozen.report["frozen"].all()
