"""Theorem 6.1's bound and the measured growth."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import stripe
from stripe.asr import ASR, Gated
from stripe.errors import ModelError, StripeError
from stripe.robustness.spectral import spectral_norm


@pytest.mark.parametrize("stride", [1, 2])
def test_spectral_norm_against_a_dense_svd(stride: int) -> None:
    torch.manual_seed(0)
    weight, scale = torch.randn(4, 3, 3, 3), torch.rand(4).view(1, 4, 1, 1)

    def linear(x: Tensor) -> Tensor:
        return F.conv2d(x, weight, stride=stride, padding=1) * scale

    columns = [linear(unit.view(1, 3, 6, 6)).flatten() for unit in torch.eye(108)]
    dense = torch.linalg.svdvals(torch.stack(columns, 1))[0].item()
    found = spectral_norm(linear, (1, 3, 6, 6), iterations=2000, tolerance=1e-9)
    assert found == pytest.approx(dense, rel=1e-3)


class Block(nn.Module):
    """x + 2 x on two channels, or with a gate of 0.5 on the branch x + x."""

    def __init__(self, gate: float | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False, groups=2)
        nn.init.ones_(self.conv.weight)
        norm = nn.BatchNorm2d(2, eps=0.0)
        nn.init.constant_(norm.weight, 2.0)
        self.norm: nn.Module = norm
        if gate is not None:
            self.norm = Gated(norm, ASR(None, torch.full((1, 2, 1, 1), gate)))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)) + x)


@pytest.mark.parametrize(("gate", "factor"), [(None, 3.0), (0.5, 2.0)])
def test_a_chain_of_blocks_by_hand(gate: float | None, factor: float) -> None:
    model = nn.Sequential(Block(gate), Block(gate)).eval()
    table = stripe.noise_bound(model, torch.rand(3, 2, 4, 4) + 1)
    assert table["block"].tolist() == ["0", "1"]
    np.testing.assert_allclose(table["factor"], factor, rtol=1e-4)
    np.testing.assert_allclose(table["bound"], [factor, factor**2], rtol=1e-4)
    np.testing.assert_allclose(table["amplification"], factor, rtol=1e-4)  # it is linear here
    np.testing.assert_allclose(table["cumulated"], [factor, factor**2], rtol=1e-4)
    np.testing.assert_allclose(table["alpha"], 1.0 if gate is None else gate)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"asr": "se"}, {"attention": "se"}])
def test_no_measured_growth_exceeds_the_bound(options: dict[str, str]) -> None:
    model = stripe.build("resnet20", num_classes=10, seed=0, **options)  # type: ignore[arg-type]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    table = stripe.noise_bound(model, torch.randn(2, 3, 32, 32), iterations=30)
    assert len(table) == 6
    assert (table["amplification_max"] <= 1.01 * table["factor"]).all()
    assert (table["cumulated"] <= 1.01 * table["bound"]).all()
    assert table["shortcut_norm"].tolist().count(1.0) == 3  # the others change width
    gated = bool(options)
    assert ((table["alpha"] < 1) == gated).all()
    assert model.training
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    again = stripe.noise_bound(model, torch.randn(2, 3, 32, 32), iterations=30)
    np.testing.assert_array_equal(table["branch_norm"], again["branch_norm"])


def test_a_network_without_residual_blocks_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no residual blocks .* found in this Sequential"):
        stripe.noise_bound(nn.Sequential(nn.Conv2d(3, 3, 1)), torch.randn(2, 3, 8, 8))


def test_cbam_multiplies_by_two_gates() -> None:
    model = stripe.build("resnet11", attention="cbam", num_classes=4, seed=0)
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    table = stripe.noise_bound(model, images, repeats=1)
    assert table["block"].tolist() == ["layer1.0", "layer2.0", "layer3.0"]
    assert (table["alpha"] < 1).all()


def test_the_bound_ends_at_a_gap() -> None:
    bare = stripe.build("resnet20", num_classes=4, seed=0)
    bare.layer2 = torch.nn.Sequential(bare.layer2, torch.nn.Conv2d(128, 128, 1))  # type: ignore[arg-type]
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match="between layer2.0.1 and layer3.0 lies something"):
        table = stripe.noise_bound(bare, images, repeats=1)
    assert table["bound"].notna().tolist() == [True] * 4 + [False] * 2


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"iterations": 0}, {"perturbation": 0.0}])
def test_numbers_that_bound_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StripeError, match=r"repeats and iterations must be 1 or more"):
        stripe.noise_bound(Block(None), torch.rand(1, 2, 4, 4), **wrong)  # type: ignore[arg-type]


def test_a_block_that_runs_twice_is_refused() -> None:
    block = Block(None)
    with pytest.raises(ModelError, match=r"each block must run once .*, and 0 runs 2 times"):
        stripe.noise_bound(nn.Sequential(block, block), torch.rand(2, 2, 4, 4))
