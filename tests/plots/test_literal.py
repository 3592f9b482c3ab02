"""Names that matplotlib would take for formulas, in every plot."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from stripe import plots, stats
from stripe.plots.axes import wrapped
from stripe.recording import Header, RecordedGate, RecordingWriter
from stripe.recording.schema import gate_column, input_column, spatial_column

#: As formulas, these are errors of matplotlib when a figure is drawn.
ONE, TWO = r"$\x$", r"a_b$\y$"
GATES = (r"g$\z$", "h_$^$")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return recordings of two runs, of which each has a formula in its name and its gates."""
    folder = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate((ONE, TWO)):
        rng = np.random.default_rng(seed)
        of: Any = {"owner": "o", "owner_class": "Gated"}
        gates = [RecordedGate(name=gate, channels=4, **of) for gate in GATES]
        gates.append(
            RecordedGate(
                name=r"$\s$", channels=1, kind="spatial", pooled=False, spatial=(3, 3), **of
            )
        )
        with RecordingWriter(folder / name, Header(gates=tuple(gates), dataset="toys")) as writer:
            for epoch in (0, 1):
                values = {}
                for gate in GATES:
                    values[gate_column(gate)] = rng.random((12, 4), np.float32)
                    values[input_column(gate)] = rng.random((12, 4), np.float32)
                values[spatial_column(r"$\s$")] = rng.random((12, 9), np.float32)
                with writer.epoch(epoch) as part:
                    part.write(np.arange(12), values, label=np.arange(12) % 3)
    return [folder / ONE, folder / TWO]


def drawn(ax: Axes) -> list[str]:
    """Draw a figure, and return its texts as they are read; formulas of names would raise."""
    ax.figure.canvas.draw()
    texts = [text.get_text() for text in ax.figure.findobj(Text) if text.get_visible()]
    return [text.replace(r"\$", "$").replace("\n", "") for text in texts]


def check(ax: Axes, *names: str) -> None:
    """Check that each name is written somewhere in a picture."""
    texts = drawn(ax)
    for name in names:
        assert any(name in text for text in texts), f"{name} is not in {texts}"


def _takes_recordings(plot: Callable[..., Any]) -> bool:
    first = next(iter(inspect.signature(plot).parameters.values()), None)
    return first is not None and "Recording" in str(first.annotation)


PLOTS = [n for n, p in vars(plots).items() if inspect.isfunction(p) and _takes_recordings(p)]


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_runs_and_gates(name: str, two: list[Path]) -> None:
    options: dict[str, Any] = {"folds": 2} if name == "class_information" else {}
    check(getattr(plots, name)(two, **options), ONE, TWO)
    if name != "compare":
        of_one = [ONE] + [GATES[1]] * (name in ("stripes", "channel_std", "overview"))
        check(getattr(plots, name)(two[0], **options), *of_one)


def test_gates_of_a_comparison(two: list[Path]) -> None:
    check(plots.compare(stats.compare(two, resamples=100)), *GATES, ONE, TWO)


def test_names_of_classes(two: list[Path]) -> None:
    classes = [r"$\cat$", "dog", "$_$"]
    check(plots.stripes(two[0], image_order="label", classes=classes), *classes)


def test_tables_of_runs(two: list[Path]) -> None:
    moments = stats.channel_moments(two)
    check(plots.gate_spread(moments), ONE, TWO)
    check(plots.saturation(stats.saturation(moments)), ONE, TWO)


def test_tables_of_networks() -> None:
    rows: dict[str, Any] = {"network": [ONE, TWO], "accuracy": [0.5, 0.6], "parameters": [1, 2]}
    check(plots.tradeoff(pd.DataFrame({**rows, "images_per_s": [1, 2]}), heading="$_$"), "$_$")
    noisy = pd.DataFrame({**rows, "noise": ["none", "$^$"]})
    check(plots.noise_robustness(noisy, heading=GATES[0]), ONE, TWO, "$^$", GATES[0])
    growth = pd.DataFrame({"bound": [1.0, 2.0], "cumulated": [1.0, 1.5]})
    check(plots.noise_bound({ONE: growth}, heading=TWO), ONE, TWO)
    measured = {"agreement": 0.5, "agreement_low": 0.4, "agreement_high": 0.6}
    ablated = pd.DataFrame({"intervention": [ONE], "gate": [TWO], **measured})
    check(plots.ablation(ablated), ONE, TWO)
    order = pd.DataFrame({"frozen": [0, 1], "agreement": [1, 0.5], "accuracy": [1, 0.5]})
    check(plots.freezing(order, heading=ONE), ONE)
    mates = pd.DataFrame({"variant": ONE, "batch_size": [1, 2], "spread": [0.1, 0.2]})
    check(plots.batch_sensitivity(mates, note=TWO), ONE, TWO)


def test_grids_of_pictures() -> None:
    picture = np.zeros((4, 4))
    options: dict[str, Any] = {"rows": [TWO], "captions": {ONE: ["$_$"]}, "note": GATES[0]}
    check(plots.style_grid({ONE: [picture]}, **options), ONE, TWO, "$_$", GATES[0])


def test_a_literal_dollar_is_not_parted_from_its_backslash() -> None:
    assert wrapped(r"1234567\$ab", 8) == "1234567\\$\nab"
    assert wrapped(r"1234567890\$x\$, $\eta^2$", 8) == "12345678\n90\\$x\\$,\n$\\eta^2$"
