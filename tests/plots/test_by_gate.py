"""The names of gates at an axis: the common end is left out, and none becomes a number."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt

from stripe import plots


@pytest.mark.parametrize(
    ("gates", "shown"),
    [
        (["layer1.0.gate", "layer2.0.gate"], ["layer1", "layer2"]),
        (["0.att", "1.att", "2.att"], ["0.att", "1.att", "2.att"]),
        (["0.0.att", "0.1.att"], ["0.0.att", "0.1.att"]),
        (["a.0.att", "1.0.att"], ["a.0.att", "1.0.att"]),
        (["att", "b.att"], ["att", "b.att"]),
        (["only.gate"], ["only.gate"]),
    ],
)
def test_names_below_an_axis(
    gates: list[str], shown: list[str], write_recording: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(0)
    path = write_recording({0: {gate: rng.random((5, 3)) for gate in gates}})
    ax = plots.gate_spread(path, ax=plt.figure(figsize=(12, 3)).add_subplot())
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_xticklabels()] == shown
