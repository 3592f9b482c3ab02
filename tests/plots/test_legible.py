"""Every figure can be read: no text lies over another, leaves the figure, or is missing."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from stripe import plots

pytestmark = pytest.mark.slow  # many figures

Write = Callable[..., Path]
RNG = np.random.default_rng(0)

LONG = ["SE with a very long name that goes on, 5e-3 weight decay", "another, no decay at all"]
UNBROKEN = ["a_long_name_without_any_space_that_goes_on", "another_name_of_this_kind_that_goes_on"]

#: Gates by name, which are recorded in the epochs 0 and 1.
GATES = {
    "three": {f"stages.{n}.murmur": RNG.random((12, 20)) for n in range(3)},
    "many": {f"layer{n // 6}.{n % 6}.se": RNG.random((12, 9)) for n in range(24)},
    "wide": {"gate": RNG.random((300, 1500))},
    "tiny": {f"block{n}": 1e-3 * RNG.random((12, 20)) for n in range(3)},
    "small_range": {"gate": 0.5 + 1e-4 * RNG.random((12, 20))},
    "large": {"gate": 1e6 * RNG.random((12, 20))},
}
#: Plots of recordings, with options that make each draw much.
PLOTS: dict[str, dict[str, Any]] = {
    "stripes": {"n_images": 300, "channels": 1500},
    "channel_std": {},
    "overview": {"channels": 1500},
    "gate_spread": {},
    "saturation": {},
    "effective_rank": {},
    "variance_components": {},
    "class_information": {"folds": 2},
    "epoch_difference": {"channels": 1500},
    "epoch_similarity": {},
    "gate_similarity": {},
    "compare": {},
}
STATISTICS = ["eta2", "between_var", "within_var", "median_std"]


def _runs(write: Write, folder: Path, gates: dict[str, np.ndarray], count: int) -> list[Path]:
    epochs = {0: gates, 1: {gate: values * 0.9 for gate, values in gates.items()}}
    return [write(epochs, path=folder / str(run)) for run in range(count)]


def _crossed(boxes: list[Bbox]) -> bool:
    """Tell whether two of the labels of an axis overlap or touch."""
    ordered = sorted(boxes, key=lambda box: (box.x0 + box.x1, box.y0 + box.y1))
    return any(one.padded(2).overlaps(other) for one, other in pairwise(ordered))


def _labels(ax: Axes) -> dict[str, list[Bbox]]:
    """Return where the tick labels of both axes are drawn."""
    drawn = {}
    for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        inside = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        inside = [text for text in inside if text.get_visible() and text.get_text()]
        drawn[name] = [text.get_window_extent() for text in inside]
    return drawn


def faults(ax: Any) -> list[str]:
    """Return what cannot be read in the figure of `ax`."""
    figure = ax.figure
    figure.draw_without_rendering()
    found = []
    for part in figure.findobj(Axes):
        box, legend = part.get_window_extent(), part.get_legend()
        if part.axison:
            drawn = _labels(part)
            found += [f"ticks of {name} overlap" for name in "xy" if _crossed(drawn[name])]
            label = part.yaxis.label.get_window_extent()
            if label.y1 > box.y1 + 2 or label.y0 < box.y0 - 2:
                found.append(f"higher than its axis: {part.get_ylabel()}")
        if legend is not None and legend.get_window_extent().overlaps(box.shrunk(0.99, 0.98)):
            found.append("the legend lies over the data")
        boxes = {} if legend is None else {"legend": legend.get_window_extent()}
        titles = [part.title, part._left_title]
        for text in (*titles, part.xaxis.label, part.yaxis.label, *part.texts):
            if text.get_text() and text.get_visible():
                boxes[text.get_text()] = text.get_window_extent()
        outside = [what for what, of in boxes.items() if not _within(of, figure.bbox)]
        found += [f"outside the figure: {what}" for what in outside]
    return found


def _within(box: Bbox, whole: Bbox) -> bool:
    around = Bbox(whole.get_points()).padded(1)
    return all(around.contains(*corner) for corner in box.get_points())


@pytest.mark.parametrize("gates", list(GATES))
@pytest.mark.parametrize("name", PLOTS)
def test_a_figure_of_one_run(name: str, gates: str, write_recording: Write, tmp_path: Path) -> None:
    (run,) = _runs(write_recording, tmp_path, GATES[gates], 1)
    options = {"epoch": [1, 0]} if name == "compare" else {}
    assert not faults(getattr(plots, name)(run, **PLOTS[name], **options))


@pytest.mark.parametrize("names", [LONG, UNBROKEN], ids=["long", "unbroken"])
@pytest.mark.parametrize("name", PLOTS)
def test_a_figure_of_two_runs_with_long_names(
    name: str, names: list[str], write_recording: Write, tmp_path: Path
) -> None:
    two = _runs(write_recording, tmp_path, GATES["three"], 2)
    ax: Any = getattr(plots, name)(two, names=names, **PLOTS[name])
    assert not faults(ax)
    assert ax.get_window_extent().width > 0.55 * ax.figure.bbox.width


@pytest.mark.parametrize("name", sorted(set(PLOTS) - {"compare"}))
def test_a_figure_of_a_run_with_a_long_name(
    name: str, write_recording: Write, tmp_path: Path
) -> None:
    (run,) = _runs(write_recording, tmp_path, GATES["three"], 1)
    assert not faults(getattr(plots, name)(run, names=LONG[:1], **PLOTS[name]))


@pytest.mark.parametrize("gates", ["tiny", "small_range", "large"])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_figure_of_each_statistic(
    statistic: str, gates: str, write_recording: Write, tmp_path: Path
) -> None:
    (run,) = _runs(write_recording, tmp_path, GATES[gates], 1)
    assert not faults(plots.compare(run, epoch=[0, 1], statistic=statistic))


def _tables() -> dict[str, Any]:
    """Return a figure of each table, with long names and many rows."""
    n = 13
    shares = {"agreement": np.linspace(1, 0.5, n), "accuracy": np.linspace(0.97, 0.5, n)}
    bands = {
        f"{name}_{end}": values + shift
        for name, values in shares.items()
        for end, shift in (("low", -0.04), ("high", 0.02))
    }
    frozen = pd.DataFrame({"frozen": range(n), **shares, **bands})
    gates = frozen.assign(gate=[f"layer{k}.0.se" for k in range(n)])
    costs: Any = {
        "first_order": shares["accuracy"],
        "fisher": shares["accuracy"],
        "fisher_se": 0.01,
    }
    networks = pd.DataFrame({"network": LONG, "accuracy": [0.7, 0.8]})
    growth = pd.DataFrame({"bound": [2.0, 4.0, 8.0], "cumulated": [1.0, 1.1, 1.2]})
    sizes: Any = {"batch_size": [1, 2, 4, 8, 16, 32], "spread": 1e-5}
    return {
        "freezing": lambda: plots.freezing(frozen, threshold=0.99, heading="a heading"),
        "ablation": lambda: plots.ablation(gates.assign(intervention=LONG[0])),
        "sensitivity": lambda: plots.sensitivity(gates.assign(**costs)),
        "noise_robustness": lambda: plots.noise_robustness(networks.assign(noise="none")),
        "noise_bound": lambda: plots.noise_bound(dict.fromkeys(LONG, growth)),
        "batch_sensitivity": lambda: plots.batch_sensitivity(
            pd.concat([pd.DataFrame({"variant": name, **sizes}) for name in LONG])
        ),
    }


@pytest.mark.parametrize("name", _tables())
def test_a_figure_of_a_table(name: str) -> None:
    assert not faults(_tables()[name]())


@pytest.mark.parametrize("name", sorted(set(PLOTS) - {"saturation", "epoch_difference"}))
def test_a_figure_without_numbers_says_so(
    name: str, write_recording: Write, tmp_path: Path
) -> None:
    gates = {"g": np.full((9, 4), np.nan), "h": np.full((9, 4), np.nan)}
    (run,) = _runs(write_recording, tmp_path, gates, 1)
    options = {"epoch": [1, 0]} if name == "compare" else {}
    ax: Any = getattr(plots, name)(run, **PLOTS[name], **options)
    texts = [text.get_text() for text in ax.figure.findobj(Text)]
    said = " ".join(texts).replace("\n", " ")
    expected = {"stripes": "values are not finite", "epoch_similarity": "white: gates that do not",
                "gate_similarity": "white: gates that do not"}  # fmt: skip
    assert expected.get(name, "no finite value") in said
    assert "nan" not in said
