"""The help of every command ends with an example that the command takes."""

import shlex
from collections.abc import Callable

import pytest
from cyclopts import App

import stripe.cli  # noqa: F401  # adds the commands
from stripe.cli.app import app
from stripe.cli.examples import EXAMPLES


def names(parent: App, above: str = "") -> list[str]:
    """Return the words of every command that does something."""
    found = []
    for name in parent:
        command = parent[name]
        if not name.startswith("-") and "_" not in name:
            words = f"{above} {name}".strip()
            found += names(command, words) if command.default_command is None else [words]
    return found


def test_every_command_has_an_example() -> None:
    assert sorted(names(app)) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_command_takes_its_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    app.parse_args([*name.split(), *shlex.split(EXAMPLES[name])], exit_on_error=False)
    app([*name.split(), "--help"], result_action="return_value")
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith(f"Example: stripe {name} {EXAMPLES[name]}")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("compare", "stripe plot compare or stripe stats compare or stripe style compare"),
        ("stripes", "stripe plot stripes"),
        ("trian", "stripe style train or stripe train"),
    ],
)
def test_a_word_that_is_no_command_names_those_that_were_meant(
    run: Callable[..., tuple[int, str]], word: str, meant: str
) -> None:
    code, said = run(word, "runs/a", "runs/b")
    assert code == 2
    assert said == f"error: there is no command '{word}'; try {meant}\n"


def test_another_unknown_word_is_refused_with_a_list(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("zzzz")
    assert code
    assert "Available commands" in said
