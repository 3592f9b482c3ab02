"""The option --gates means the same in every command that has it."""

import pytest

from stripe.cli.app import app

COMMANDS = [
    "record --model m --out r",
    "ablate --model m",
    "sensitivity --model m",
    "freeze --model m --recording r --out w.safetensors",
    "stats epoch-similarity r",
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("given", "gates"),
    [
        ("", ("all",)),
        ("--gates layer3.*", ("layer3.*",)),
        ("--gates a b", ("a", "b")),
        ("--gates a,b", ("a", "b")),
        ("--gates a --gates b,c", ("a", "b", "c")),
    ],
)
def test_names_with_spaces_or_commas_between_them(
    command: str, given: str, gates: tuple[str, ...]
) -> None:
    function, bound, _ = app.parse_args([*command.split(), *given.split()])
    bound.apply_defaults()
    assert bound.arguments["gates"] == gates, function
