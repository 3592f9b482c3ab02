"""The text after Ctrl-C, unless a command gives its own to `interruptible`, and after SIGTERM."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stripe.train import TrainConfig

#: What each command has kept, and how to continue. Commands that keep nothing are left out.
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
    """An interrupt of a command that kept results. The text says which, and how to continue.

    Parameters
    ----------
    kept
        The text.
    code
        Exit code of the process.
    """

    def __init__(self, kept: str, code: str | int | None = 130) -> None:
        super().__init__(kept)
        self.code = code


@contextmanager
def interruptible(kept: Callable[[], str], *, told: bool = True) -> Iterator[None]:
    """Raise `Interrupted` after Ctrl-C or SIGTERM. With `told` False, exit without a text.

    `kept` is a function that returns the text. It is called after the interrupt.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stopped:
        code = stopped.code if isinstance(stopped, SystemExit) else 130
        if not told:
            sys.exit(code)
        raise Interrupted(kept(), code) from stopped


def after_interrupt(arguments: Sequence[str]) -> str:
    """Return the text to print after Ctrl-C in a command that raised no `Interrupted`."""
    commands = [" ".join(arguments[:count]) for count in (1, 2)]
    named = (_KEPT[command] for command in commands if command in _KEPT)
    return next(named, "nothing was kept; the same command begins again")


def after_training(config: "TrainConfig") -> str:
    """Return the text after an interrupted training run."""
    from stripe.backbones.own import is_function

    if not (config.out / "config.json").exists():
        return "nothing was kept; the same command begins again"
    again = f"stripe train --resume --out {config.out}"
    if is_function(config.backbone):  # a name on the command line is trusted, one in a file is not
        again += f" --backbone {config.backbone}"
    return f"finished epochs were kept; go on with: {again}"
