"""Which libraries made a result."""

import platform
from importlib.metadata import version

LIBRARIES = ("stripe-attention", "torch", "torchvision", "numpy", "pandas", "pyarrow")


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
