"""Colours of bars and series differ in grey, and for readers with a colour vision deficiency."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from skimage.color import rgb2lab

from stripe.plots import saturation, variance_components
from stripe.plots.series import series_styles

#: Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB; and luminance (Rec. 709).
SEEN = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "grey": [[0.2126, 0.7152, 0.0722]] * 3,
}
#: Smallest difference, in CIELAB, of two colours that lie beside each other.
LEAST = 12


def seen_as(colour: Any, seen: str) -> np.ndarray:
    """Return a colour in CIELAB as a reader sees it."""
    rgb = np.asarray(to_rgb(colour), dtype=float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SEEN[seen]) @ linear, 0, 1)
    again = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    lab: np.ndarray = rgb2lab(again[None, None])[0, 0]
    return lab


def test_white_stays_white_and_red_and_green_come_close() -> None:
    for seen in SEEN:
        np.testing.assert_allclose(seen_as("white", seen), [100, 0, 0], atol=0.5)
    red, green = (0.8, 0.2, 0.2), (0.2, 0.5, 0.2)
    apart = np.linalg.norm(seen_as(red, "tritanopia") - seen_as(green, "tritanopia"))
    close = np.linalg.norm(seen_as(red, "protanopia") - seen_as(green, "protanopia"))
    assert close < apart / 2


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize(
    ("plot", "parts"),
    [(variance_components, ("channel", "class", "image")), (saturation, ("off", "on", "stuck"))],
)
def test_parts_of_bars_differ(seen: str, plot: Any, parts: tuple[str, ...]) -> None:
    ax = plot(pd.DataFrame({"epoch": 0, "gate": ["a"], **dict.fromkeys(parts, 0.3)}))
    colours = [container.patches[0].get_facecolor()[:3] for container in ax.containers]
    assert len(colours) == 3
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(seen_as(one, seen) - seen_as(other, seen)) > LEAST


@pytest.mark.parametrize("seen", SEEN)
def test_series_differ_in_colour_or_marker(seen: str) -> None:
    for one, other in combinations(series_styles(8), 2):
        apart = np.linalg.norm(seen_as(one["color"], seen) - seen_as(other["color"], seen))
        assert apart > LEAST or one["marker"] != other["marker"]
    first, second = (style["color"] for style in series_styles(2))
    assert np.linalg.norm(seen_as(first, seen) - seen_as(second, seen)) > LEAST
