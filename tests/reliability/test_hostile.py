"""Files that ask for more memory or time than there is end in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HARNESS = Path(__file__).with_name("hostile.py")


def test_hostile_files_under_an_address_limit(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the address space is read from /proc")
    tests = str(HARNESS.parents[1])
    path = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(HARNESS), str(tmp_path)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) > 30
    for name, code, seconds, said in outcomes:
        print(f"{name}: {code} after {seconds} s; {said.splitlines()[-1:]}")  # noqa: T201
    for name, code, seconds, said in outcomes:
        if name.startswith("fine: "):
            assert code == 0, (name, said)
            continue
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert code == 1, (name, code, seconds, said)
        assert len(errors) == 1, (name, said)
        assert said.splitlines()[-1] == errors[0], (name, said)
        assert "Traceback" not in said, (name, said)
        assert "MemoryError" not in said, (name, said)
