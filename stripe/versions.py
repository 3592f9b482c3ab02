"""Which libraries and which command made a result."""

import platform
import sys
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("stripe-attention", "torch", "torchvision", "numpy", "pandas", "pyarrow")


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def command_line() -> str:
    """Return the command of this process, without the folder of its program."""
    program = Path(sys.argv[0]).name
    return " ".join(["python -m stripe" if program == "__main__.py" else program, *sys.argv[1:]])
