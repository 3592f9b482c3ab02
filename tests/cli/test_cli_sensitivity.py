"""`stripe sensitivity`: its table is that of the function, with the means of the same images."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

MODULE = """
import stripe, torch

def network():
    torch.manual_seed(0)
    return stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1).eval()
"""


@pytest.mark.slow
def test_the_command_prints_writes_and_draws(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny_to_estimate.py").write_text(MODULE)
    subject = ["--model", "tiny_to_estimate:network", "--images", "fashion-mini", "--limit", "24"]
    out, figure = tmp_path / "t.csv", tmp_path / "f.png"
    code, said = run("sensitivity", *subject, "--draws", 2, "--out", out, "--figure", figure)
    assert code == 0, said
    table = pd.read_csv(out)
    assert list(table) == ["gate", "channels", "first_order", "fisher", "fisher_se"]
    assert len(table) == 3
    assert figure.stat().st_size > 1000
    assert re.search(r"all gates at once: \S+ nats, 24 images\n", said)
    code, channels = run("sensitivity", *subject, "--draws", 2, "--channels", "--json")
    assert code == 0
    rows = json.JSONDecoder().raw_decode(channels[channels.index("[") :])[0]
    assert len(rows) == table["channels"].sum()
    code, refused = run("sensitivity", *subject, "--out", out)
    assert (code, refused) == (1, f"error: {out} already exists; choose another\n")

    code, other = run("sensitivity", *subject, "--gates", "layer2.*", "--seed", 0, "--json")
    assert code == 0
    (row,) = json.JSONDecoder().raw_decode(other[other.index("[") :])[0]
    assert row["gate"].startswith("layer2.")
    assert row["fisher"] > 0


@pytest.mark.slow
def test_means_of_a_recording_are_used(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The means of the images themselves cost what the command alone says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny_to_record.py").write_text(MODULE)
    subject = ["--model", "tiny_to_record:network", "--images", "fashion-mini", "--limit", "24"]
    assert run("record", *subject, "--out", tmp_path / "r")[0] == 0
    for name, more in (("own", []), ("given", ["--recording", tmp_path / "r"])):
        code, said = run("sensitivity", *subject, *more, "--out", tmp_path / f"{name}.csv")
        assert code == 0, said
    own, given = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("own", "given"))
    pd.testing.assert_frame_equal(own, given, rtol=1e-4)
    code, said = run("sensitivity", *subject, "--recording", tmp_path / "none")
    assert code == 1
    assert "no recording at" in said.splitlines()[-1]
