"""The text after Ctrl-C, which `stripe.cli.main` prints: what was kept, and how to go on."""

from collections.abc import Sequence

#: What each command, or command of a group, kept, and how to go on, unless it keeps nothing.
_KEPT = {
    "record": "no part of this epoch was kept; earlier epochs are as they were; the same command "
    "records the epoch again",
    "noise": "finished rows are printed above, and nothing else was kept; --spec measures "
    "the others",
    "constants": "what is in --out is not finished; begin again with a new --out",
    "sweep repeat": "finished runs are in the store; begin again with an empty --store",
    "gallery": "finished figures were kept; the same command draws all of them again",
}


class Interrupted(KeyboardInterrupt):
    """An interrupt of a command that kept results; its text says which, and how to go on."""


def after_interrupt(arguments: Sequence[str]) -> str:
    """Return the sentence about the command that `arguments` begin with."""
    commands = [" ".join(arguments[:count]) for count in (1, 2)]
    named = (_KEPT[command] for command in commands if command in _KEPT)
    return next(named, "nothing was kept; the same command begins again")
