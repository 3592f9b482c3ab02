"""`stripe.record`: one line that records one epoch."""

from pathlib import Path

import torch
from torch import nn

import stripe


def test_record_returns_the_recording(tmp_path: Path) -> None:
    model = stripe.build("resnet11", attention="se", num_classes=3, in_channels=1, seed=0)
    recording = stripe.record(model, [torch.randn(3, 1, 28, 28)], tmp_path / "r", progress=False)
    assert isinstance(recording, stripe.Recording)
    assert (recording.epochs, len(recording.images)) == ([0], 3)


def test_one_line_records_any_epoch(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    recording = stripe.record(small_model, [images], tmp_path / "r", epoch=7, progress=False)
    assert recording.epochs == [7]
