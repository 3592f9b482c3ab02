"""Names of a package that are imported when they are first used."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package whose names live elsewhere.

    Importing the package is therefore fast, and does not import torch until a name needs it. The
    modules and folders of the package are also imported when they are first used.

    Parameters
    ----------
    package
        Dotted name of the package.
    homes
        Mapping from each public name to the module that defines it. A module that is public as a
        whole is mapped to itself.
    """

    def get(name: str) -> Any:
        if name not in homes and (name.startswith("_") or not find_spec(f"{package}.{name}")):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(homes.get(name, f"{package}.{name}"))
        value = home if home.__name__ == f"{package}.{name}" else getattr(home, name)
        vars(import_module(package))[name] = value
        return value

    def names() -> list[str]:
        return sorted([*vars(import_module(package)), *homes])

    return get, names


def keep_functions(package: str, homes: Mapping[str, str]) -> None:
    """Keep the public functions of a package where a part of it has the same name.

    `stripe.audit` is a function, and `stripe/audit/` is a folder. An import of the folder would set
    the attribute `audit` of the package to the module. This function ignores such an assignment, so
    `stripe.audit` is always the function. The module stays in `sys.modules`, where
    `from stripe.audit.report import write_report` finds it.

    Parameters
    ----------
    package, homes
        As for `lazy_names`.
    """
    hidden = {name for name, home in homes.items() if home.startswith(f"{package}.{name}.")}

    class Package(ModuleType):
        def __setattr__(self, name: str, value: Any) -> None:
            if not (name in hidden and isinstance(value, ModuleType)):
                super().__setattr__(name, value)

    sys.modules[package].__class__ = Package
