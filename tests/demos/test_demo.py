"""The demo trains, records every epoch, and draws and describes what it recorded."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stripe.cli.demos import DEMO_RUN
from stripe.demos.demo import demo_config, run_demo
from stripe.recording import open_recording
from stripe.stats import stripe_index


def changed(folder: Path) -> str:
    """Return what git says of a folder."""
    command = ["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_demo_on_a_few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    shutil.copy(Path(__file__).parents[2] / ".gitignore", tmp_path)
    before = changed(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = demo_config(out=DEMO_RUN, seed=1, device="cpu", epochs=1)
    config = replace(config, backbone="resnet8_basic", limit=64, record_images=16)
    found = run_demo(config, DEMO_RUN / "figures")
    assert changed(tmp_path) == before == "?? .gitignore\n"
    drawn = [f"{name}{end}" for name in ("stripes", "channel_std", "epoch_difference")
             for end in (".png", ".pdf")]  # fmt: skip
    assert [path.name for path in found.figures] == drawn
    assert all(path.stat().st_size > 0 for path in found.figures)
    recording = open_recording(found.recording)
    assert recording.epochs == [0, 1]
    index = stripe_index(recording)
    last = index[index["epoch"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.index, last)
    sidecar = json.loads((DEMO_RUN / "figures" / "demo.json").read_text())
    assert sidecar["gate"] == recording.gates["name"].iloc[-1]
    assert sidecar["test_accuracy"] == found.result.last
    assert sidecar["config"]["seed"] == 1
