"""Channels that are always off or on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stripe.errors import StripeError
from stripe.stats import channel_moments, saturation

#: Off, on, neither, on but for one image, stuck.
V = np.array([[0.0, 1.0, 0.5, 1.0, 0.3], [0.009, 0.995, 0.6, 0.98, 0.3]])


def test_by_hand(write_recording: Callable[..., Path]) -> None:
    path = write_recording({0: {"g": V}, 1: {"g": V / 2}})
    table = saturation(path)
    assert table.columns.tolist() == ["epoch", "gate", "channels", "off", "on", "stuck"]
    assert table["channels"].tolist() == [5, 5]
    assert table["off"].tolist() == [0.2, 0.2]
    assert table["on"].tolist() == [0.2, 0]
    assert table["stuck"].tolist() == [0.2, 0.2]
    exact = saturation(channel_moments(path), low=0.0, high=1.0)
    assert exact[["off", "on"]].to_numpy().sum() == 0


def test_large_and_negative_gates_are_neither(write_recording: Callable[..., Path]) -> None:
    table = saturation(write_recording({0: {"g": np.array([[-0.5, 3.0], [-0.6, 3.0]])}}))
    assert table[["off", "on", "stuck"]].to_numpy().tolist() == [[0, 0, 0.5]]


def test_bounds_are_ordered(write_recording: Callable[..., Path]) -> None:
    with pytest.raises(StripeError, match=r"\Abounds must have 0 <= low < high <= 1, got 0.9"):
        saturation(write_recording({0: {"g": V}}), low=0.9, high=0.1)
