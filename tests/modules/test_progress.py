"""Progress is a line every ten seconds where there is no terminal."""

import io
import sys
from typing import Any

import pytest

from stripe.modules import progress
from stripe.modules.progress import progress_bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds of a clock that bars read, as the one element of a list."""
    seconds = [0.0]
    begin = progress._Lines.__init__

    def begun(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self._time = lambda: seconds[0]
        self.start_t = self.last_print_t = 0.0

    monkeypatch.setattr(progress._Lines, "__init__", begun)
    return seconds


def written(steps: int, each: float, clock: list[float], monkeypatch: Any, **options: Any) -> str:
    """Return what steps of some seconds write to a log file."""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with progress_bar(steps, "noise", True, **options) as bar:
        for _ in range(steps):
            clock[0] += each
            bar.set_postfix(loss="1")
            bar.update()
    return log.getvalue()


def test_a_line_every_ten_seconds(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    said = written(14, 2.5, clock, monkeypatch)
    assert said.endswith("\n")
    assert "\r" not in said
    lines = said.splitlines()
    assert [line.split("|")[-1].split("[")[0].strip() for line in lines] == [
        "4/14",
        "8/14",
        "12/14",
    ]
    assert all(line.startswith("noise: ") for line in lines)


@pytest.mark.parametrize("leave", [False, True])
def test_short_work_writes_nothing(
    leave: bool, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written(9, 1.0, clock, monkeypatch, leave=leave) == ""


def test_nothing_is_written_unless_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar([1, 2], "record", False) as bar:
        bar.update()
        assert bar.disable
    assert capsys.readouterr().err == ""


def test_totals() -> None:
    stream = (number for number in range(3))
    for work, total in (([1, 2], 2), (5, 5), (None, None), (stream, None)):
        with progress_bar(work, "x", True, done=9) as bar:
            assert bar.total == total
            assert bar.n == (9 if total is None else total)
