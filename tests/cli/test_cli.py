"""The command as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stripe.recording import open_recording

Run = Callable[..., tuple[int, str]]
STRIPE = Path(sys.executable).with_name("stripe")


@pytest.fixture
def path(write_recording: Callable[..., Path]) -> Path:
    rng = np.random.default_rng(0)
    return write_recording({epoch: {"g": rng.random((9, 4))} for epoch in (0, 1)})


@pytest.mark.slow
def test_ctrl_c_is_clean(tmp_path: Path) -> None:
    command = [str(STRIPE), "demo", "--out", str(tmp_path / "d")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    started = time.monotonic()
    while not (tmp_path / "d/recording/data/epoch=0").exists():
        assert time.monotonic() < started + 120
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert f"interrupted: finished epochs, if any, are in {tmp_path / 'd'}/recording" in said
    assert "Traceback" not in said
    assert len(open_recording(tmp_path / "d/recording").verify()) >= 1


def test_numbers_as_tables_and_json(path: Path, run: Run) -> None:
    assert "eta2" in run("stats", "index", path)[1]
    rows = json.loads(run("stats", "moments", path, "--epoch", 1, "--json")[1])
    assert [row["channel"] for row in rows] == [0, 1, 2, 3]
    assert len(json.loads(run("stats", "convergence", path, "--json")[1])) == 4
    assert "2 epochs, 2 files, 18 rows" in run("verify", path)[1]


@pytest.mark.parametrize("name", ["stripes", "channel-std", "epoch-difference"])
def test_pictures(path: Path, tmp_path: Path, name: str, run: Run) -> None:
    out = tmp_path / "new" / f"{name}.png"
    code, said = run("plot", name, path, "--out", out)
    assert code == 0, said
    assert out.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats", "index", "nowhere"], "error: no recording at nowhere"),
        (
            ["plot", "stripes", "--recording", "{r}", "--out", "a.png", "--gate", "h"],
            "no recorded gate 'h'",
        ),
        (["plot", "stripes", "--recording", "{r}", "--out", "a.png", "--epoch", "8"], "no epoch 8"),
        (
            ["plot", "stripes", "--recording", "{r}", "--out", "a.abc"],
            "a picture ends in .png, .pdf",
        ),
        (["demo", "--out", "{r}"], "must be a new or empty directory"),
        (["demo", "--epochs", "0"], 'Invalid value "0" for --epochs'),
    ],
)
def test_bad_input_is_one_line(
    path: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(path))
    code, said = run(*[a.format(r=path) for a in arguments])
    assert code == (2 if "Invalid value" in message else 1)
    *_, last = said.splitlines()
    assert last.startswith("error: ")
    assert message in last
    assert sorted(os.listdir(path)) == before


def test_a_damaged_part_is_named(path: Path) -> None:
    part = path / "data/epoch=1/part-0.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    command = [str(STRIPE), "verify", str(path)]  # a real process
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {part} must have")
