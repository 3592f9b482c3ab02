"""The plot of a reproduced table: rows, groups, panels, and the room that they have."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import stripe
from stripe.plots.axes import headed
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.reproduction import reproduction


def test_rows_stand_together_under_what_they_share() -> None:
    cell = {"dataset": "cifar100", "backbone": "resnet164", "paper": 75.0, "last": 74.0, "std": 1}
    rows = [{**cell, "method": method, "setting": setting}
            for setting in ("delta=1", "delta=2") for method in ("SE", "IE", "SRM")]  # fmt: skip
    ax = stripe.plots.reproduction(pd.DataFrame(rows))
    assert [text.get_text() for text in ax.texts] == ["delta=1", "delta=2"]
    places = ax.get_yticks()
    assert places[3] - places[2] > places[2] - places[1] == 1


def test_groups_whose_rows_alternate_stand_together_and_say_what_was_trained() -> None:
    """As in Table 3: two data sets in turn, and then another network on one of them."""
    numbers = {"setting": "", "paper": 75.0, "std": 1}
    rows = [
        {**numbers, "backbone": "resnet164", "dataset": data, "method": method, "trained": short}
        for method in ("base", "SE")
        for data, short in (("stl10", "resnet20 on patches"), ("cifar100", "resnet20 on fashion"))
    ] + [
        {**numbers, "backbone": "vgg19", "dataset": "cifar100", "method": method, "trained": "vgg"}
        for method in ("base", "SE", "IE", "SRM")
    ]
    ax = stripe.plots.reproduction(pd.DataFrame(rows).assign(last=range(8)), xlabel="accuracy")
    groups = ["stl10 resnet164", "cifar100 resnet164", "cifar100 vgg19"]
    assert [text.get_text() for text in ax.texts] == groups
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["base", "SE", "base", "SE", "base", "SE", "IE", "SRM"]
    drawn: Any = ax.containers[0]
    assert drawn.lines[0].get_xdata(orig=True).tolist() == [0, 2, 1, 3, 4, 5, 6, 7]
    assert ax.get_xlabel() == (
        "accuracy\nours: resnet20 on patches (stl10 resnet164)\n"
        "resnet20 on fashion (cifar100 resnet164)\nvgg (cifar100 vgg19)"
    )


def test_labels_of_few_rows_do_not_touch() -> None:
    cell = {"dataset": "", "backbone": "", "setting": "", "paper": 75.0, "last": 74.0, "std": 1}
    rows = pd.DataFrame([{**cell, "method": method} for method in ("no ASR", "with", "without")])
    with stripe.plots.paper_style():
        ax: Any = stripe.plots.reproduction(rows, xlabel="test accuracy (%)\nours: resnet20")
        headed(ax, "Table 9, ASR with and without an attention module; scale smoke", "Table 9")
        ax.figure.canvas.draw()
        boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    for upper, lower in pairwise(boxes):
        assert upper.y0 > lower.y1


def test_many_groups_of_the_same_rows_are_panels_of_one_scale(tmp_path: Path) -> None:
    """Table 8 has four networks under each of ten noises."""
    numbers = reproduction(exhibit("table8"), SCALES["paper"], store=tmp_path).numbers()
    ax = stripe.plots.reproduction(numbers, value="last", xlabel="accuracy")
    panels: Any = ax.child_axes
    titles = [panel.get_title() for panel in panels]
    assert titles[:2] == ["constant(1.0,0.0)", "constant(0.8,0.8)"]
    assert len(titles) == 10
    names = [[label.get_text() for label in panel.get_yticklabels()] for panel in panels]
    assert names == 5 * [["base", "ASR(SE)", "ASR(IE)", "ASR(SRM)"], 4 * [""]]
    assert len({panel.get_xlim() for panel in panels}) == 1
    shown = np.concatenate([panel.collections[0].get_offsets()[:, 0] for panel in panels])
    np.testing.assert_allclose(shown, numbers.loc[numbers["metric"] == "top1", "paper"])
    assert ax.get_xlabel() == "accuracy\nours: resnet164 on cifar100"
    figure: Any = ax.get_figure()
    before = figure.get_size_inches()[1]
    title = "Table 8, The accuracy of networks with noise in every batch norm; scale paper"
    headed(ax, title, "Table 8, scale paper")
    assert figure.get_size_inches()[1] > before
    assert figure.get_suptitle() == "Table 8, scale paper"  # the title fills more than a line
    headed(ax, "Table 8, Noise; scale paper", "Table 8")
    assert figure.get_suptitle() == "Table 8, Noise; scale paper"
