"""Words that a command does not know end in one line, which names what to read."""

import re
from collections.abc import Callable

import pytest

from stripe.cli import main
from stripe.cli.options.groups import IMAGES
from stripe.cli.options.settings import options_of
from stripe.train import TrainConfig

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
        (["stats", "compare", "a", "b", "--versus"], "--versus", "stats compare"),
        (["record", "--model", "a", "--out", "r", "--gates"], "--gates", "record"),
        (["record", "--model", "a", "--out", "r", "--gates", ","], "at least one name", "record"),
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


@pytest.mark.parametrize("command", ["train", "record", "audit", "reproduce", "style train"])
def test_help_has_short_parts(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    parts = capsys.readouterr().out.split("╭─ ")[1:]
    assert len(parts) > 1
    counts = [len(re.findall(r"^│ (?:\*  |   )?--", part, re.MULTILINE)) for part in parts]
    assert all(0 < count < 17 for count in counts[-len(parts) + 1 :])
    assert sum(counts) >= 15


@pytest.mark.parametrize("group", ["plot", "stats"])
def test_help_names_a_command_once(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([group, "--help"])
    assert "_" not in capsys.readouterr().out


def test_settings_without_the_field_of_a_group() -> None:
    with pytest.raises(ValueError, match="TrainConfig has no field epoch"):
        options_of(TrainConfig, {IMAGES: ("epoch",)})
