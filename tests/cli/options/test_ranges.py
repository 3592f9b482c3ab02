"""What is wrong in a command line is told before a network is built."""

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str]]
ARGUMENTS = ["--model", "builds:nothing", "--images", "images"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["record", "--out", "r", "--batch-size", "0"], 'Invalid value "0" for --batch-size'),
        (["record", "--out", "r", "--epoch", "-1"], 'Invalid value "-1" for --epoch'),
        (["record", "--out", "r", "--limit", "0"], 'Invalid value "0" for --limit'),
        (["record", "--out", "r", "--crop", "2"], "for --crop. Must be <= 1"),
        (["record", "--out", "r", "--crop", "nan"], "for --crop"),
        (["record", "--out", "r", "--seed", "-1"], "for --seed. Must be >= 0"),
        (["record", "--out", "r", "--device", "gpu"], "a device is auto, cpu, cuda or cuda:N"),
        (["audit", "--threshold", "2"], "for --threshold. Must be <= 1"),
        (["audit", "--rounds", "0"], 'Invalid value "0" for --rounds'),
        (["audit", "--out", "file/report.html"], "file is not a folder; choose another file"),
        (["audit", "--out", "folder.html"], "it is a folder; choose another file"),
        (["cam", "--layer", "1", "--out", "file/cam.png"], "file is not a folder"),
        (["cam", "--layer", "1", "--target", "cat", "--out", "cam.png"], "target"),
        (["noise", "--spec", "batch", "--out", "file/t.csv"], "file is not a folder"),
        (["noise", "--spec", "random:x"], "random:x"),
        (["sensitivity", "--draws", "0"], 'Invalid value "0" for --draws'),
        (["sensitivity", "--recording", "gone"], "no recording at gone"),
        (["ablate", "--recording", "gone"], "no recording at gone"),
        (["ablate", "--interventions", "maen"], "maen"),
        (["freeze", "--recording", "gone", "--out", "f.safetensors"], "no recording at gone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_no_network_is_built(
    command: list[str], message: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "builds.py").write_text("open('built', 'w'); raise SystemExit\n")
    (tmp_path / "file").touch()
    (tmp_path / "folder.html").mkdir()
    code, said = run(*command, *ARGUMENTS)
    assert code in (1, 2)
    assert message in said.splitlines()[-1]
    assert not (tmp_path / "built").exists()
