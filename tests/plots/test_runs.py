"""Several recordings in one picture, and told apart in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from stripe import plots, stats
from stripe.errors import RecordingError, StripeError
from stripe.recording.runs import shown_runs

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


def test_a_table_of_two_runs_is_drawn_as_they_are(two: tuple[Path, Path]) -> None:
    of_table = plots.gate_spread(stats.channel_moments(list(two)), names=["a", "b"], epoch=0)
    of_runs = plots.gate_spread(list(two), names=["a", "b"], epoch=0)
    assert medians(of_table) == medians(of_runs)
    assert legend(of_table) == ["a", "b"]
    with pytest.raises(StripeError, match="one per recording, of which there are 2; got 1 names"):
        plots.gate_spread(stats.channel_moments(list(two)), names=["a"])


def test_epochs_of_one_run_are_two_runs(two: tuple[Path, Path]) -> None:
    shown = shown_runs(two[0], epoch=[0, 1])
    assert [(one.name, one.epoch) for one in shown] == [("se, epoch 0", 0), ("se, epoch 1", 1)]
    assert len(plots.gate_spread(two[0], epoch=[0, 1]).patches) == 4


def test_a_run_alone_has_no_legend(two: tuple[Path, Path]) -> None:
    assert plots.gate_spread(two[0]).get_legend() is None


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        ([0, 0], {}, "came twice at 1"),
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
        shown_runs([two[number] for number in times], **options)


def test_runs_of_one_name_are_called_by_their_folders(
    write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    values = {0: {"g": np.eye(2)}}
    paths = [write_recording(values, path=tmp_path / of / "r") for of in ("x", "y")]
    assert [one.name for one in shown_runs(paths)] == ["x/r", "y/r"]
    assert [one.name for one in shown_runs(paths[0])] == ["r"]
