"""Words that a command does not know end in one line, which names what to read."""

from collections.abc import Callable

import pytest

Run = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    ("arguments", "expected", "help_of"),
    [
        (["record", "--moodel", "x"], "Did you mean --model instead of --moodel?", "record"),
        (["record"], "--model is missing", "record"),
        (["train", "--out", "x", "--epochs", "two"], '"two" into int', "train"),
        (["stats", "saturation", "r", "--loww", "0.1"], "Did you mean --low?", "stats saturation"),
        (["plot", "stripse"], 'Did you mean "stripes"?', "plot"),
        (["findings", "now", "2"], "nothing more is expected, got now 2", "findings"),
        (["nothing-like-it"], 'Unknown command "nothing-like-it"', ""),
    ],
)
def test_wrong_usage(arguments: list[str], expected: str, help_of: str, run: Run) -> None:
    code, said = run(*arguments)
    assert code == 2
    [line] = said.splitlines()
    assert line.startswith("error: ")
    assert expected in line
    assert line.endswith(f"see {' '.join(('stripe', *help_of.split(), '--help'))}")
