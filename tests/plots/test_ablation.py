"""What replacing each gate changes."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer

from stripe.errors import StripeError
from stripe.plots import ablation


def test_every_row_is_a_point_with_its_interval() -> None:
    hows = ["none", "mean", "mean", "zero", "zero"]
    data = pd.DataFrame({"intervention": hows, "gate": ["", "a", "b", "a", "b"]})
    data["accuracy"] = [0.9, 0.8, 0.7, 0.5, 0.4]
    data["accuracy_low"], data["accuracy_high"] = data["accuracy"] - 0.1, data["accuracy"] + 0.05
    ax = ablation(data, measure="accuracy")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert [container.get_label() for container in ax.containers] == ["mean", "zero"]
    container = ax.containers[1]
    assert isinstance(container, ErrorbarContainer)
    points, _, (bars,) = container.lines
    assert points is not None
    np.testing.assert_allclose(np.asarray(points.get_xydata())[:, 0], [50, 40])
    (left, right), _ = bars.get_segments()
    assert (left[0], right[0]) == pytest.approx((40, 55))
    (line,) = [line for line in ax.lines if line.get_label() == "none"]
    assert np.asarray(line.get_xydata())[0, 0] == 90
    assert ax.yaxis_inverted()
    assert ax.get_xlabel() == "accuracy (%)\nbars: 95 % intervals"
    assert ax.get_xscale() == "linear"


def test_divergences_lie_on_a_logarithmic_scale() -> None:
    data = pd.DataFrame({"intervention": "mean", "gate": ["a", "b"], "kl": [0.0, 1e-4]})
    data["kl_low"], data["kl_high"] = [0.0, -1e-5], [0.0, 3e-4]
    ax = ablation(data, measure="kl")
    assert ax.get_xscale() == "log"
    container = ax.containers[0]
    assert isinstance(container, ErrorbarContainer)
    points = container.lines[0]
    assert points is not None
    np.testing.assert_array_equal(np.asarray(points.get_xydata())[:, 0], [np.nan, 1e-4])
    low, high = ax.get_xlim()
    assert 0 < low < 1e-4 < 3e-4 < high


def test_many_gates_have_a_higher_picture() -> None:
    data = pd.DataFrame({"intervention": "mean", "gate": [f"g{n}" for n in range(40)], "kl": 0.0})
    data[["kl_low", "kl_high"]] = 0.0
    figure: Any = ablation(data, measure="kl").figure
    assert figure.get_figheight() > 7


@pytest.mark.usefixtures("as_a_user")
def test_an_unknown_measure_is_one_line() -> None:
    measure: Any = "loss"
    with pytest.raises(StripeError, match=r"\Aa measure is one of .*, got 'loss'\Z"):
        ablation(pd.DataFrame(), measure=measure)


def test_axes_in_a_part_of_a_figure_are_drawn_on() -> None:
    data = pd.DataFrame({"intervention": "mean", "gate": ["a"], "agreement": [0.9]})
    data["agreement_low"], data["agreement_high"] = 0.8, 0.95
    whole: Any = plt.figure(layout="constrained")
    part = whole.subfigures(1, 2)[0]
    ax = ablation(data, measure="agreement", ax=part.subplots())
    assert ax.get_legend() is not None


def test_a_measure_without_values_is_one_line() -> None:
    data = pd.DataFrame({"intervention": "mean", "gate": ["a"], "accuracy": [np.nan]})
    data[["accuracy_low", "accuracy_high"]] = np.nan
    with pytest.raises(StripeError, match="the table has no accuracy to draw; accuracy needs labe"):
        ablation(data, measure="accuracy")
