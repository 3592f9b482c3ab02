"""`make gpu`, rehearsed: every slice runs, writes its result, and is not done again."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from smallest_scale import EveryExhibit

from benchmarks.gpu.__main__ import SLICES, main
from benchmarks.gpu.checks import checks, files
from benchmarks.gpu.exhibits import NAMES, reproduction_of
from benchmarks.gpu.hour import run_slices
from benchmarks.gpu.needs import estimate, images_left, require_data
from benchmarks.gpu.slices import Setting, Slice, save
from benchmarks.gpu.subprocesses import GRACE, Ended, module
from stripe.errors import StripeError


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


def damaged(setting: Setting) -> Any:
    raise ValueError("no such thing\nand a second line")


def test_a_slice_that_raises_ends_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = setting(tmp_path)
    slices = [Slice("broken", damaged), Slice("sound", lambda setting: ({}, True))]
    run_slices(slices, here)
    assert [one.is_done(here) for one in slices] == [False, True]
    assert here.result("broken")["error"] == "ValueError: no such thing"
    assert "damaged" in "".join(here.result("broken")["said"])
    assert "broken not done (ValueError: no such thing)" in capsys.readouterr().out


def test_what_is_left_is_told_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Slice("checks", damaged)
    monkeypatch.setattr("benchmarks.gpu.__main__.SLICES", [broken])
    assert main(["--device=cpu", "--rehearse", f"--out={tmp_path}", "--only=checks"]) == 1
    assert capsys.readouterr().out.endswith("left: checks: ValueError: no such thing\n")


def test_an_exhibit_that_gets_on_is_repeated_before_the_next_until_the_end(tmp_path: Path) -> None:
    now, order = [0.0], []

    def work(name: str, left: Iterator[int]) -> Any:
        def work(setting: Setting) -> Any:
            order.append((name, setting.minutes))
            now[0] += 60 * setting.minutes
            missing = next(left)
            return {"left": missing, "runs": 9, "goes_on": missing > 0}, missing == 0

        return work

    slices = [
        Slice("table8", work("table8", iter([4, 0]))),
        Slice("stuck", lambda setting: ({"error": "no"}, False)),
        Slice("table6", work("table6", iter([3, 2, 1]))),
    ]
    here = replace(setting(tmp_path), minutes=9.0)
    run_slices(slices, here, total_minutes=33.0, clock=lambda: now[0])
    assert order == [("table8", 9.0), ("table8", 9.0), ("table6", 9.0), ("table6", 6.0)]
    assert slices[2].why(here) == "2 of 9 runs are left"
    run_slices(slices, here, total_minutes=1.0, clock=lambda: now[0])
    assert len(order) == 4


def test_a_slice_apart_is_ended_at_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(command: Any, *, seconds: float) -> Ended:
        assert command[:4] == ["benchmarks.gpu", "--here", "--only", "training"]
        return module(["http.server", "0", "--bind", "127.0.0.1"], seconds=seconds)

    here = replace(setting(tmp_path), minutes=1 / 60)
    monkeypatch.setattr("benchmarks.gpu.slices.module", endless)
    one = Slice("training", damaged, apart=True)
    assert not one.run_limited(here)
    assert one.why(here).startswith("stopped after 0.0166")


@pytest.mark.slow
def test_a_slice_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    here = replace(setting(tmp_path), minutes=5.0)
    assert Slice("scale", damaged, apart=True).run_limited(here)
    assert here.result("scale")["table8"]["runs"] == 1


@pytest.mark.slow
def test_tests_go_on_with_the_file_that_was_stopped(tmp_path: Path) -> None:
    names = ["test_a.py", "test_b.py", "test_c.py"]
    for name in names:
        text = "import pytest\n\n\n@pytest.mark.gpu\ndef test_it():\n    assert True\n"
        (tmp_path / name).write_text(text)
    (tmp_path / "test_other.py").write_text("def test_it():\n    assert False\n")
    (tmp_path / "test_b.py").write_text("import pytest, time\n\n\n@pytest.mark.gpu\n"
                                        "def test_it():\n    time.sleep(600)\n")  # fmt: skip
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--rehearse', action='store_true')\n"
    )
    assert files(tmp_path) == names
    ours = Path(__file__).parent
    assert {"test_gpu_hooks.py", "test_gpu_train.py"} <= {*files(ours)}
    assert Path(__file__).name not in files(ours)
    here = replace(setting(tmp_path / "out"), minutes=GRACE / 60 + 0.75)
    run_saved("checks", checks(here, tmp_path), here)
    found = here.result("checks")
    assert found["files"]["test_a.py"]["exit"] == 0
    assert found["error"] == "stopped in test_b.py"
    assert found["goes_on"]
    (tmp_path / "test_a.py").write_text("pytestmark = pytest.mark.gpu  # not imported\n")
    (tmp_path / "test_b.py").write_text((tmp_path / "test_c.py").read_text())
    result, done = checks(here, tmp_path)
    assert done
    assert result["files"]["test_a.py"] == found["files"]["test_a.py"]  # not run again


def run_saved(name: str, outcome: tuple[Any, bool], here: Setting) -> None:
    found, done = outcome
    save(here, name, found, done=done, seconds=0.0)


def test_data_that_are_not_whole_stop_the_hour(fashion: Path, tmp_path: Path) -> None:
    whole = setting(tmp_path)
    require_data(whole)
    with pytest.raises(
        StripeError, match=r"fashion_mnist must have 60000 training images, got 160"
    ):
        require_data(replace(whole, rehearse=False, data_root=fashion))


@pytest.mark.slow
def test_the_estimate_counts_each_unfinished_training_once(tmp_path: Path) -> None:
    small = setting(tmp_path, rehearse=False)
    assert images_left(small, ["table8"]) == 120 * 20 * 60_000
    assert images_left(small, ["table8", "table8"]) == images_left(small, ["table8"])
    rates = {"images_per_s_in_all": {"1": 100_000.0, "2": 200_000.0}}
    run_saved("together", (rates, True), small)
    assert estimate(small).startswith(
        "left at the 200000 images/s of ResNet20 trainings: Table 8 12.0 minutes, all exhibits "
    )


def test_a_command_is_asked_to_stop_at_its_deadline() -> None:
    ended = module(["http.server", "0", "--bind", "127.0.0.1"], seconds=2)
    assert ended.stopped
    assert ended.code != 0
    assert ended.seconds < 30


@pytest.mark.slow
def test_every_slice_is_rehearsed_and_a_second_call_does_nothing(
    every_exhibit: EveryExhibit, tmp_path: Path
) -> None:
    """All exhibits are finished but one, whose runs no other shares."""
    here, missing = setting(tmp_path), "figure13"
    shutil.copytree(every_exhibit.store, here.store)
    for run in reproduction_of(missing, here).needed:
        shutil.rmtree(run.config.out)
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
        if one.name in NAMES:
            assert found["runs_of_this_call"] == (found["runs"] if one.name == missing else 0)
            assert found["runs"] > 0
