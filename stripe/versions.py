"""Which code, which libraries and which command made a result."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("stripe-attention", "torch", "torchvision", "numpy", "pandas", "pyarrow")


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def commit() -> str | None:
    """Return the commit of this code, with "+" where files differ from it; None outside git."""
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return None
    try:
        named, changed = (
            subprocess.run(
                ["git", "-C", str(here), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (
                ["rev-parse", "--short=10", "HEAD"],
                ["status", "--porcelain", "-uno", "."],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return named + ("+" if changed else "")


def command_line() -> str:
    """Return the command of this process, without the folder of its program."""
    program = Path(sys.argv[0]).name
    return " ".join(["python -m stripe" if program == "__main__.py" else program, *sys.argv[1:]])
