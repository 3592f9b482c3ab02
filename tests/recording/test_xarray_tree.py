"""A recording becomes labelled arrays of xarray."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.errors import RecordingError, UnknownNameError
from stripe.recording import open_recording


def test_values_stand_by_epoch_image_and_channel(write_recording: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    values = {epoch: {"g": rng.random((7, 3)), "h": rng.random((7, 2))} for epoch in (0, 4)}
    recording = open_recording(write_recording(values))
    tree = recording.to_xarray()
    for gate in "gh":
        array = tree[f"{gate}/gate"]
        assert array.dims == ("epoch", "image", "channel")
        np.testing.assert_array_equal(array.sel(epoch=4), recording.values(gate, 4))
    assert list(recording.to_xarray("h", epochs=[4]).children) == ["h"]
    with pytest.raises(UnknownNameError, match="recorded gate"):
        recording.to_xarray("x")
    with pytest.raises(RecordingError, match="epochs must name an epoch, got none"):
        recording.to_xarray(epochs=[])


def test_inputs_maps_and_labels_are_there(images: Tensor, tmp_path: Path) -> None:
    model = stripe.build("resnet8_basic", attention="cbam", num_classes=10, in_channels=1)
    loader = [(images, torch.arange(len(images)))]
    recording = stripe.record(model, loader, tmp_path / "r", spatial=True, progress=False)
    tree = recording.to_xarray()
    gate, spatial = (g.name for g in recording.header.gates[:2])
    np.testing.assert_array_equal(tree[f"{gate}/input"].sel(epoch=0), recording.inputs(gate))
    np.testing.assert_array_equal(tree[f"{spatial}/map"].sel(epoch=0), recording.spatial(spatial))
    np.testing.assert_array_equal(tree["label"], np.arange(len(images)))
    assert tree["prediction"].sizes == {"epoch": 1, "image": len(images)}


def test_epochs_of_other_images_are_refused(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    with stripe.Recorder(small_model, tmp_path / "r", images) as recorder:
        recorder.record([images], 0, progress=False)
        recorder.record([images[:2]], 1, progress=False)
    recording = open_recording(tmp_path / "r")
    with pytest.raises(RecordingError, match=r"epochs 0 and 1 .* different images"):
        recording.to_xarray()
    assert recording.to_xarray(epochs=[1]).sizes["image"] == 2
