"""The tests marked `gpu`, file by file, so that a further call goes on where one stopped."""

import re
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.slices import Outcome, Setting, save
from benchmarks.gpu.subprocesses import GRACE, Ended, module

TESTS = Path(__file__).parents[2] / "tests" / "gpu"


def checks(setting: Setting, folder: Path = TESTS) -> Outcome:
    """Run the tests marked `gpu`; done where all pass, whatever has no meaning here is skipped.

    Files that passed before are not run again.
    """
    started, names = time.perf_counter(), files(folder)
    before = setting.result("checks")
    kept = before.get("files", {}) if before.get("rehearsal") == setting.rehearse else {}
    found: dict[str, Any] = {name: kept[name] for name in names if name in kept}
    waiting = [name for name in names if found.get(name, {}).get("exit") != 0]
    stopped, passed = False, 0
    for name in waiting:
        spent = time.perf_counter() - started
        ended = tested(folder / name, setting, 60 * setting.minutes - GRACE - spent)
        found[name] = {"exit": ended.code, "stopped": ended.stopped, "said": ended.said}
        passed += ended.code == 0
        save(setting, "checks", {"files": found}, done=False, seconds=spent + ended.seconds)
        if stopped := ended.stopped:
            break
    left = [name for name in names if found.get(name, {}).get("exit") != 0]
    result = {"files": found, "stopped": stopped, "goes_on": stopped and passed > 0}
    if left:
        result["error"] = f"{'stopped' if stopped else 'failed'} in {left[0]}"
    return result, not left


def files(folder: Path) -> list[str]:
    """Return the names of the files that hold tests with the marker."""
    marked = re.compile(r"^(@|pytestmark\b.*)pytest\.mark\.gpu", re.MULTILINE)
    return [
        file.name for file in sorted(folder.glob("test_*.py")) if marked.search(file.read_text())
    ]


def tested(file: Path, setting: Setting, seconds: float) -> Ended:
    """Run the tests of a file that have the marker."""
    rehearse = ["--rehearse"] if setting.device == "cpu" else []
    command = ["pytest", "-q", "-rs", "-m", "gpu", file, *rehearse]
    return module(command, seconds=seconds)
