"""`make gpu`, rehearsed: every slice runs, writes its result, and is not done again."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.__main__ import SLICES, main
from benchmarks.gpu.slices import Setting, Slice
from benchmarks.gpu.subprocesses import module
from benchmarks.gpu.together import best


def setting(out: Path, *, rehearse: bool = True) -> Setting:
    return Setting(
        device="cpu",
        rehearse=rehearse,
        out=out,
        store=out / "store",
        data_root=Path("data"),
        minutes=1.0,
    )


def test_a_slice_goes_on_until_it_is_done_and_is_not_repeated(tmp_path: Path) -> None:
    calls = iter([({"left": 1}, False), ({"left": 0}, True)])
    one = Slice("one", lambda setting: next(calls))
    here = setting(tmp_path)
    assert not one.is_done(here)
    assert not one.run(here)
    assert here.result("one")["left"] == 1
    assert not one.is_done(here)
    assert one.run(here)
    assert one.is_done(here)
    assert not one.is_done(setting(tmp_path, rehearse=False))  # another size is another result


def test_a_cpu_is_for_rehearsals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cpu"]) == 2
    assert "give --rehearse too" in capsys.readouterr().err


def test_fewer_processes_are_chosen_where_more_gain_nothing() -> None:
    assert best({1: 100.0, 2: 180.0, 4: 250.0, 8: 255.0}) == 4
    assert best({1: 100.0, 2: 101.0}) == 1


def test_a_command_is_asked_to_stop_at_its_deadline() -> None:
    ended = module(["http.server", "0", "--bind", "127.0.0.1"], seconds=2)
    assert ended.stopped
    assert ended.code != 0
    assert ended.seconds < 30


@pytest.mark.slow
def test_every_slice_is_rehearsed_and_a_second_call_does_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device=cpu", "--rehearse"]
    for _ in range(2):
        done = subprocess.run(
            [*command, f"--out={tmp_path}"], capture_output=True, text=True, timeout=1500
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.splitlines() == ["left: nothing"]
    for one in SLICES:
        found: dict[str, Any] = json.loads((tmp_path / f"{one.name}.json").read_text())
        assert found["done"]
        assert found["rehearsal"]
        assert found["hardware"]
