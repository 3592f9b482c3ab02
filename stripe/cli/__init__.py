"""The `stripe` command. Commands import libraries when they run, so that help is fast."""

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from cyclopts import CycloptsError, MissingArgumentError, UnusedCliTokensError

# Each of these modules adds its commands to the root.
from stripe.cli import (  # noqa: F401
    ablate,
    audit,
    bench,
    cam,
    card,
    demos,
    explore,
    findings,
    freeze,
    gates,
    noise,
    plot_statistics,
    plot_tables,
    plots,
    record,
    reproduce,
    sensitivity,
    statistics,
    style,
    train,
    verify,
)
from stripe.cli.app import app
from stripe.cli.examples import add_examples
from stripe.cli.interrupted import Interrupted, after_interrupt
from stripe.cli.unknown import unknown_command, with_dashes
from stripe.errors import StripeError
from stripe.memory import is_out_of_memory, keep_freed_memory

add_examples(app)
#: Errors of a full or broken disk, which do not always name a file.
_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Print an error that the user can fix as one line, and exit with code 1.

    The code is 2 if the command line itself is wrong: an unknown command or option, or a value that
    an option cannot have.

    `arguments` defaults to the arguments of the process.
    """
    keep_freed_memory()
    given = with_dashes(sys.argv[1:] if arguments is None else arguments)
    usual, warnings.formatwarning = warnings.formatwarning, _in_one_line
    try:
        if said := unknown_command(given):
            print(f"error: {said}", file=sys.stderr)
            sys.exit(2)
        app(given, exit_on_error=False, print_error=False)
    except CycloptsError as error:  # the words of the command itself
        said = _said(error)
        asked = " ".join(("stripe", *(error.command_chain or ()), "--help"))
        print(f"error: {said}; see {asked}", file=sys.stderr)
        sys.exit(2)
    except StripeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of a pipe, as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno not in _OF_DISKS:
            raise
        what = "write" if error.filename is None else f"use {error.filename}"
        print(f"error: cannot {what}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(
            "error: this needs more memory than there is; choose fewer images, gates or epochs, a "
            "smaller batch, or a machine with more memory",
            file=sys.stderr,
        )
        sys.exit(1)
    except KeyboardInterrupt as error:
        told = error if isinstance(error, Interrupted) else Interrupted(after_interrupt(given))
        print(f"\ninterrupted: {told}", file=sys.stderr)
        sys.exit(told.code)
    finally:
        warnings.formatwarning = usual


def _said(error: CycloptsError) -> str:
    """Return the message about a wrong command line, as one sentence without its full stop."""
    if isinstance(error, UnusedCliTokensError):
        return f"nothing more is expected, got {' '.join(error.unused_tokens or ())}"
    said = " ".join(str(error).split())
    if isinstance(error, MissingArgumentError) and error.keyword is None:
        said = said.replace(" requires an argument", " is missing")
    return said if said.endswith("...") else said.removesuffix(".")


def _in_one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    """Write a warning without the line of Python that gave it."""
    return f"warning: {message}\n"
