"""`stripe explore` writes a page, and serves one that says where it is."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

Run = Callable[..., tuple[int, str]]


def test_a_page_is_written_once(explored: Path, run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, said = run("explore", explored, "--gate", "a", "--epoch", 1, "--out", page)
    assert code == 0
    assert "no images are shown" in said
    assert '"gate": "a"' in page.read_text()
    code, said = run("explore", explored, "--out", page)
    assert (code, "already exists" in said) == (1, True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--gate", "c"], "'c'"),
        (["--epoch", "7"], "holds no epoch 7"),
    ],
)
def test_what_is_not_there_is_one_line(
    explored: Path, run: Run, options: list[str], expected: str, tmp_path: Path
) -> None:
    code, said = run("explore", explored, *options, "--out", tmp_path / "page.html")
    assert code == 1
    assert said.splitlines()[-1].startswith("error: ")
    assert expected in said.splitlines()[-1]


@pytest.mark.slow
def test_the_address_that_is_printed_answers_until_ctrl_c(explored: Path) -> None:
    command = [sys.executable, "-m", "stripe", "explore", str(explored), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
        assert b"servedSource" in urlopen(address, timeout=30).read()
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
