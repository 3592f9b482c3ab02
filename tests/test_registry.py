"""Registries from names to builders."""

from typing import Any

import pytest

from stripe.errors import ModelError, UnknownNameError
from stripe.registry import Registry, listed


def test_an_unknown_name_lists_the_known_ones() -> None:
    registry: Registry[Any] = Registry("stripe.plots", "thing")
    registry.register("b", "a")(dict)
    with pytest.raises(UnknownNameError, match=r"unknown thing 'c'; choose one of: a, b$"):
        registry["c"]


def test_an_exact_name_wins_over_a_pattern() -> None:
    registry: Registry[Any] = Registry("stripe.plots", "thing")
    registry.register("size20", pattern=r"size(?P<side>\d+)")(lambda side: side)
    registry.register("size34")(lambda: "exact")
    assert registry.names() == ["size20", "size34"]
    assert (registry["size20"](), registry["size7"](), registry["size34"]()) == (20, 7, "exact")


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b", "c"], limit=2) == "a, b ... and 1 more"


def test_model_errors_are_stripe_errors() -> None:
    from stripe import StripeError

    assert issubclass(ModelError, StripeError)
