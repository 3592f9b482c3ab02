"""A path without a recording names the recordings that are near."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stripe.errors import RecordingError
from stripe.recording import open_recording


def test_recordings_near_a_wrong_path_are_named(
    write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    write_recording({0: {"g": np.ones((2, 3))}}, path=runs / "plain")
    with pytest.raises(RecordingError, match=r"give one of the recordings in it: .*runs/plain\Z"):
        open_recording(runs)
    with pytest.raises(RecordingError, match=r"did you mean .*runs/plain\?\Z"):
        open_recording(runs / "plian")
    with pytest.raises(RecordingError, match="give what a Recorder wrote"):
        open_recording(runs / "x" / "y")
