"""Noise in batch norms with a forward pass of their own."""

import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError


class Rectified(nn.BatchNorm2d):
    """A batch norm with a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


class Renamed(nn.BatchNorm2d):
    """A batch norm with a forward pass of its own that is that of torch."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.contiguous())


@pytest.mark.parametrize("training", [False, True])
def test_a_norm_of_ones_own_that_does_more_is_refused(training: bool) -> None:
    torch.manual_seed(0)
    norm, x = nn.BatchNorm2d(5), torch.randn(4, 5, 3, 3)
    nn.init.normal_(norm.bias)
    norm.train(training)
    constant = "constant:0.5,0.2"
    with stripe.inject_noise(norm, constant):
        expected = norm(x)
    norm.__class__ = Renamed
    with stripe.inject_noise(norm, constant):
        assert torch.equal(norm(x), expected)
    norm.__class__ = Rectified
    refused = pytest.raises(ModelError, match=r"\Aa Rectified .* does more than a batch norm.*\Z")
    with refused, stripe.inject_noise(norm, constant):
        norm(x)
