"""Several recordings in one picture, and told apart in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from stripe import plots, stats
from stripe.errors import RecordingError, StripeError
from stripe.recording.runs import open_runs

GATES = {"early": 3, "late": 4}


@pytest.fixture
def two(write_recording: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """Return recordings of gates of the same names; those of the second spread three times more."""
    rng = np.random.default_rng(0)
    base = {
        epoch: {gate: rng.random((9, channels)) for gate, channels in GATES.items()}
        for epoch in (0, 1)
    }
    wider = {epoch: {g: 3 * v for g, v in gates.items()} for epoch, gates in base.items()}
    first, second = tmp_path / "se" / "recording", tmp_path / "asr" / "recording"
    return write_recording(base, path=first), write_recording(wider, path=second)


def medians(ax: Any) -> list[float]:
    lines = [np.asarray(line.get_ydata()) for line in ax.lines]
    return [float(line[0]) for line in lines if len(line) == 2 and line[0] == line[1]]


def legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_boxes_of_two_runs_are_told_apart(two: tuple[Path, Path]) -> None:
    ax = plots.gate_spread(list(two))
    assert len(ax.patches) == 4
    expected = [
        float(stats.channel_moments(run, [1]).groupby("gate", sort=False)["std"].median()[gate])
        for run in two
        for gate in GATES
    ]
    np.testing.assert_allclose(medians(ax), expected)
    assert legend(ax) == ["se", "asr"]
    colours = {to_rgb(patch.get_facecolor()) for patch in ax.patches}
    assert len(colours) == 2


def test_the_names_of_few_gates_are_below_the_difference(two: tuple[Path, Path]) -> None:
    table = stats.compare(two)
    below = plots.compare(table).child_axes[1]
    assert [tick.get_text() for tick in below.get_xticklabels()] == ["early", "late"]
    deep = plots.compare(table.assign(gate=table["gate"] + ".bn2.gate"))
    assert [tick.get_text() for tick in deep.child_axes[1].get_xticklabels()] == ["early", "late"]
    long = plots.compare(table.assign(gate=20 * "." + table["gate"] * 4), statistic="eta2")
    assert [tick.get_text() for tick in long.child_axes[1].get_xticklabels()] == ["1", "2"]


@pytest.mark.parametrize("style", [{}, {"font.size": 7, "legend.fontsize": 6}])
def test_the_legend_of_two_runs_leaves_the_heading_free(two: tuple[Path, Path], style: Any) -> None:
    with plt.rc_context(style):
        ax: Any = plots.channel_std(list(two), names=["a longer name", "b"])
        ax.figure.draw_without_rendering()
        labels = [text.get_window_extent() for text in ax.get_legend().get_texts()]
        heading = ax._left_title.get_window_extent()
    assert max(label.y1 for label in labels) <= heading.y0
    assert max(label.x1 for label in labels) <= ax.figure.bbox.x1


def test_a_table_of_two_runs_is_drawn_as_they_are(two: tuple[Path, Path]) -> None:
    of_table = plots.gate_spread(stats.channel_moments(list(two)), names=["a", "b"], epoch=0)
    of_runs = plots.gate_spread(list(two), names=["a", "b"], epoch=0)
    assert medians(of_table) == medians(of_runs)
    assert legend(of_table) == ["a", "b"]
    with pytest.raises(StripeError, match="one per recording, of which there are 2; got 1 names"):
        plots.gate_spread(stats.channel_moments(list(two)), names=["a"])


def test_epochs_of_one_run_are_two_runs(two: tuple[Path, Path]) -> None:
    shown = open_runs(two[0], epoch=[0, 1])
    assert [(one.name, one.epoch) for one in shown] == [("se, epoch 0", 0), ("se, epoch 1", 1)]
    assert len(plots.gate_spread(two[0], epoch=[0, 1]).patches) == 4


def test_a_run_alone_has_no_legend(two: tuple[Path, Path]) -> None:
    assert plots.gate_spread(two[0]).get_legend() is None


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        ([0, 0], {}, "is given twice at 1"),
        ([0, 1], {"names": ["x", "x"]}, "names must be distinct and one per recording"),
        ([0, 1], {"names": "se"}, "names must be distinct"),
        ([0, 1], {"epoch": [0]}, "epochs must be one per recording, at least one, got 1 for 2"),
        ([0, 1], {"epoch": 5}, "holds no epoch 5"),
        ([], {}, "at least one, got 0 for 0"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(
    two: tuple[Path, Path], times: list[int], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordingError, match=message):
        open_runs([two[number] for number in times], **options)


def test_runs_of_one_name_are_called_by_their_folders(
    write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    values = {0: {"g": np.eye(2)}}
    paths = [write_recording(values, path=tmp_path / of / "r") for of in ("x", "y")]
    assert [one.name for one in open_runs(paths)] == ["x/r", "y/r"]
    assert [one.name for one in open_runs(paths[0])] == ["r"]


def test_stripes_of_two_runs_stand_side_by_side(two: tuple[Path, Path]) -> None:
    ax: Any = plots.stripes(list(two), names=["SE", "ASR"], gate="late", side="after", epoch=0)
    panels = ax.child_axes[:2]
    titles = [panel.get_title(loc="left") for panel in panels]
    assert [title.split(", $")[0] for title in titles] == [
        r'$\mathbf{a}$  "SE", after',
        r'$\mathbf{b}$  "ASR", after',
    ]
    assert ax.get_title(loc="left") == "late, epoch 0"
    one, other = (np.asarray(panel.images[0].get_array()) for panel in panels)
    np.testing.assert_allclose(other, 3 * one, rtol=1e-6)  # the same images and channels
    both: Any = plots.stripes(list(two), gate="late")
    assert len(both.child_axes) == 8  # four panels, and their bars
    long: Any = plots.stripes(list(two), names=["a name that is long", "b"], gate="late")
    assert all(panel.get_title(loc="left").count("\n") == 1 for panel in long.child_axes[:4])


def test_a_run_alone_names_itself(two: tuple[Path, Path]) -> None:
    assert plots.stripes(two[0], gate="late").get_title(loc="left") == '"se", late, epoch 1'
    alone = plots.stripes(two[0], gate="late", side="after")
    assert alone.get_title(loc="left").startswith('"se", late, epoch 1, after, $')
    long = plots.stripes(two[0], names=["a name that fills a line"], gate="late", side="after")
    assert long.get_title(loc="left").split(" 1\n")[1].startswith("after, $")
    assert plots.channel_std(two[0]).get_title(loc="left") == '"se", late, epoch 1'
    assert plots.gate_spread(two[0]).get_title(loc="left") == '"se", epoch 1'
    assert plots.epoch_difference(two[0]).get_title(loc="left") == '"se", late'


def test_histograms_of_two_runs_lie_over_each_other(two: tuple[Path, Path]) -> None:
    ax = plots.channel_std(list(two), side="after", names=["SE", "ASR"])
    assert legend(ax) == ["SE, after: gate", "ASR, after: gate"]
    assert len(ax.collections) == 2


def test_steps_of_two_runs_stand_side_by_side(two: tuple[Path, Path]) -> None:
    ax: Any = plots.epoch_difference(list(two), image_ids=[4, 7], channels=4)
    panels = ax.child_axes[:4]
    assert [panel.get_title() for panel in panels] == [
        '"se"\nimage 4',
        '"se"\nimage 7',
        '"asr"\nimage 4',
        '"asr"\nimage 7',
    ]
    steps = [np.asarray(panel.images[0].get_array()) for panel in panels]
    np.testing.assert_allclose(steps[2], 3 * steps[0], rtol=1e-4)
    assert len({panel.images[0].get_clim() for panel in panels}) == 1


@pytest.mark.parametrize("widths", [(3, 5), (5, 3)])
def test_runs_whose_gates_differ_in_width_are_drawn(
    write_recording: Callable[..., Path], tmp_path: Path, widths: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    runs = [
        write_recording({e: {"late": rng.random((9, width))} for e in (0, 1)}, path=tmp_path / name)
        for name, width in zip(("narrow", "wide"), widths, strict=True)
    ]
    ax: Any = plots.epoch_difference(runs, n_images=1)
    panels = [panel for panel in ax.child_axes if panel.images]
    assert [panel.images[0].get_array().shape[0] for panel in panels] == [*widths]
    assert len(plots.overview(runs).child_axes[2].child_axes) == 2 * 3 + 1


def test_an_overview_has_no_letters_of_its_stripes(two: tuple[Path, Path]) -> None:
    with pytest.raises(StripeError, match="overview: there is no option 'letters'"):
        plots.overview(two[0], letters=True)


def test_an_overview_of_two_runs_has_all_three(two: tuple[Path, Path]) -> None:
    ax: Any = plots.overview(list(two))
    top, middle, bottom = ax.child_axes
    assert len(top.child_axes) == 8
    assert len(legend(middle)) == 4
    assert len(bottom.child_axes) == 2 * 3 + 1
    assert [text.get_text() for part in (top, middle, bottom) for text in part.texts] == [*"abc"]
    epochs: Any = plots.overview(two[0], epoch=[0, 1])
    assert len(epochs.child_axes[2].child_axes) == 3 + 1  # the steps of one run, once


def test_a_comparison_shows_both_runs_and_the_difference(two: tuple[Path, Path]) -> None:
    table = stats.compare(list(two), names=["SE", "ASR"])
    ax: Any = plots.compare(table, statistic="median_std")
    top, bottom = ax.child_axes
    rows = table[table["statistic"] == "median_std"]
    for line, name in zip(top.lines, ["SE", "ASR"], strict=True):
        np.testing.assert_array_equal(line.get_ydata(), rows[name])
    assert legend(top) == ["SE", "ASR"]
    assert [text.get_text() for panel in (top, bottom) for text in panel.texts] == ["a", "b"]
    (container,) = bottom.containers
    np.testing.assert_array_equal(container.lines[0].get_ydata(), rows["difference"])
    bars = np.array([segment[:, 1] for segment in container.lines[2][0].get_segments()])
    np.testing.assert_allclose(bars, rows[["low", "high"]])
    assert (top.get_ylabel(), bottom.get_ylabel()) == ("median std\nover images", "difference")
    assert bottom.get_title(loc="left") == '"ASR" minus "SE"'
    assert bottom.get_xlabel().endswith("interval over images, n = 9\nepoch 1")
    with pytest.raises(StripeError, match="statistic is one of eta2, between_var"):
        plots.compare(table, statistic="mean")


@pytest.mark.slow
def test_the_command_draws_and_prints_two_runs(
    two: tuple[Path, Path], tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    out = tmp_path / "a.png"
    for name in ("stripes", "channel-std", "epoch-difference", "gate-spread", "compare"):
        names = ["--names", "SE", "ASR(SE)"]
        code, said = run("plot", name, *two, "--out", out, *names)
        assert (code, said.strip()) == (0, str(out)), said
    code, said = run("plot", "compare", two[0], "--epoch", 0, 1, "--out", out)
    assert code == 0, said
    csv = tmp_path / "a.csv"
    code, said = run("stats", "compare", *two, "--names", "SE", "ASR(SE)", "--out", csv)
    assert code == 0, said
    assert "95 % intervals over the same images drawn anew, n = 9\n" in said
    assert csv.read_text().startswith("gate,statistic,SE,ASR(SE),difference,low,high\n")


@pytest.mark.parametrize("name", ["stripes", "channel_std", "gate_spread", "gate_similarity",
                                  "variance_components", "saturation"])  # fmt: skip
def test_epochs_that_differ_are_named(
    name: str, write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    paths = [
        write_recording({at: {"g": rng.random((9, 4))}}, path=tmp_path / str(at)) for at in (0, 3)
    ]
    figure = getattr(plots, name)(paths, names=["A", "B"]).figure
    texts = " ".join(text.get_text() for text in figure.findobj(Text))
    assert "A, epoch 0" in " ".join(texts.split())
    assert "B, epoch 3" in " ".join(texts.split())
