"""Differences between epochs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import stripe
from stripe.errors import RecordingError, UnknownNameError
from stripe.recording import Recording, open_recording
from stripe.stats import convergence_epoch, epoch_difference

#: Two images, three channels: one never moves, one moves once, one moves at the end.
BY_EPOCH = {
    0: [[1.0, 0, 0], [1, 0, 0]],
    10: [[1.0, 0, 0], [1, 3, 0]],
    20: [[1.0, 0, 0], [1, 3, 0]],
    30: [[1.0, 0, 2], [1, 3, 0]],
}


@pytest.fixture
def recording(write_recording: Callable[..., Path]) -> Recording:
    values = {epoch: {"g": np.array(array)} for epoch, array in BY_EPOCH.items()}
    return open_recording(write_recording(values))


def test_difference_by_hand(recording: Recording) -> None:
    difference = epoch_difference(recording, "g")
    assert difference.shape == (2, 3, 3)  # image, epoch, channel
    assert difference[0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 2]]
    assert difference[1].tolist() == [[0, 3, 0], [0, 0, 0], [0, 0, 0]]
    assert epoch_difference(recording, "g", image_ids=[1])[0].tolist() == difference[1].tolist()


def test_convergence_by_hand(recording: Recording) -> None:
    table = convergence_epoch(recording, tol=0.5)
    assert table.columns.tolist() == ["gate", "channel", "epoch"]
    assert table["epoch"].tolist() == [0, 10, pd.NA]
    assert convergence_epoch(recording, tol=3.5)["epoch"].tolist() == [0, 0, 0]
    assert convergence_epoch(recording, tol=3.0)["epoch"].tolist() == [0, 10, 0]


def test_images_are_matched_by_index(write_recording: Callable[..., Path]) -> None:
    path = write_recording({0: {"g": np.array([[1.0], [2], [3]])}}, images=[4, 5, 6])
    write_recording({1: {"g": np.array([[30.0], [10]])}}, path=path, images=[6, 4])
    recording = open_recording(path)
    assert epoch_difference(recording, "g")[:, 0, 0].tolist() == [9, 27]  # images 4 and 6
    with pytest.raises(RecordingError, match="image 5 was not recorded in every epoch"):
        epoch_difference(recording, "g", image_ids=[4, 5])


def test_errors_say_what_to_do(
    recording: Recording, write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(UnknownNameError, match="no recorded gate 'h'"):
        epoch_difference(recording, "h")
    with pytest.raises(RecordingError, match="tol must be positive, got 0"):
        convergence_epoch(recording, 0.0)
    single = write_recording({0: {"g": np.ones((2, 2))}}, path=tmp_path / "single")
    with pytest.raises(RecordingError, match=r"needs two recorded epochs, .* has 1"):
        epoch_difference(open_recording(single), "g")
    write_recording({1: {"g": np.ones((2, 2))}}, path=single, images=[8, 9])
    with pytest.raises(RecordingError, match="no image was recorded in every epoch"):
        convergence_epoch(open_recording(single), 0.1)


def test_a_gate_that_diverged_never_converges(write_recording: Callable[..., Path]) -> None:
    values = {epoch: {"g": np.array([[1.0, np.nan]])} for epoch in (0, 1)}
    table = convergence_epoch(open_recording(write_recording(values)), tol=0.1)
    assert table["epoch"].tolist() == [0, pd.NA]


def test_a_recording_of_maps_alone_has_no_channels_that_settle(
    images: torch.Tensor, tmp_path: Path
) -> None:
    model = stripe.build("resnet8_basic", attention="cbam", num_classes=10, in_channels=1)
    path = tmp_path / "r"
    with stripe.Recorder(model, path, images, gates="*spatial*", spatial=True) as recorder:
        for epoch in (0, 1):
            recorder.record([images], epoch, progress=False)
    with pytest.raises(RecordingError, match="holds no channel gates"):
        convergence_epoch(path, 0.1)
