"""Other spellings of commands: channel_std for channel-std, and errors that name the nearest."""

from collections.abc import Sequence
from difflib import get_close_matches

from stripe.cli.examples import EXAMPLES


def with_dashes(arguments: Sequence[str]) -> list[str]:
    """Return the arguments, with dashes in a command that was given by its name in Python."""
    name = " ".join(arguments[:2]).replace("_", "-")
    return [*name.split(), *arguments[2:]] if name in EXAMPLES else list(arguments)


def unknown_command(arguments: Sequence[str]) -> str | None:
    """Return the error for an unknown command, such as "compare" for "stats compare", or None."""
    word = arguments[0] if arguments else "-"
    if word.startswith("-") or word in {name.split()[0] for name in EXAMPLES}:
        return None
    last = {name: name.split()[-1] for name in EXAMPLES}
    near = {word} if word in last.values() else {*get_close_matches(word, last.values(), n=2)}
    meant = [f"stripe {name}" for name in EXAMPLES if last[name] in near]
    return f"there is no command {word!r}; try {' or '.join(meant)}" if meant else None
