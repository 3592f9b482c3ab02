"""The demo trains, records every epoch, and draws and describes what it recorded."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd

from stripe.demos.demo import demo_config, run_demo
from stripe.recording import open_recording
from stripe.stats import stripe_index


def test_the_demo_on_a_few_images(tmp_path: Path) -> None:
    config = demo_config(out=tmp_path / "run", seed=1, device="cpu", epochs=1)
    config = replace(config, backbone="resnet8_basic", limit=64, record_images=16)
    found = run_demo(config, tmp_path / "figures")
    drawn = [f"{name}{end}" for name in ("stripes", "channel_std", "epoch_difference")
             for end in (".png", ".pdf")]  # fmt: skip
    assert [path.name for path in found.figures] == drawn
    assert all(path.stat().st_size > 0 for path in found.figures)
    recording = open_recording(found.recording)
    assert recording.epochs == [0, 1]
    index = stripe_index(recording)
    last = index[index["epoch"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.index, last)
    sidecar = json.loads((tmp_path / "figures" / "demo.json").read_text())
    assert sidecar["gate"] == recording.gates["name"].iloc[-1]
    assert sidecar["test_accuracy"] == found.result.last
    assert sidecar["config"]["seed"] == 1
