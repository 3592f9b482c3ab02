"""Sizes that no attention module can have."""

import inspect

import pytest

import stripe
from stripe.attention import ATTENTIONS
from stripe.errors import StripeError


@pytest.mark.parametrize("name", list(ATTENTIONS))
@pytest.mark.parametrize("channels", [0, -3])
def test_without_channels_there_is_no_module(name: str, channels: int) -> None:
    with pytest.raises(StripeError, match=f"channels must be at least 1, got {channels}"):
        ATTENTIONS[name](channels)


@pytest.mark.parametrize(
    "name", [n for n in ATTENTIONS if "reduction" in inspect.signature(ATTENTIONS[n]).parameters]
)
def test_a_reduction_is_at_least_one(name: str) -> None:
    with pytest.raises(StripeError, match="reduction must be at least 1, got 0"):
        ATTENTIONS[name](16, reduction=0)


@pytest.mark.parametrize("kernel_size", [0, 4, -3])
def test_the_kernel_of_a_spatial_map_is_odd(kernel_size: int) -> None:
    with pytest.raises(StripeError, match=f"kernel_size must be odd.*got {kernel_size}"):
        stripe.attention.CBAM(16, kernel_size=kernel_size)
