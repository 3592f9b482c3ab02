"""`stripe.record`: one line that records one epoch."""

from pathlib import Path

import pytest
import torch
from torch import nn

import stripe
from stripe.errors import StripeError


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


def test_an_epoch_that_every_skips_is_refused(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    with pytest.raises(StripeError, match="must be a multiple of every, got epoch=1 and every=2"):
        stripe.record(small_model, [images], tmp_path / "r", epoch=1, every=2, progress=False)
    assert not (tmp_path / "r").exists()
