"""Networks from a user's own module and function."""

import inspect
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from stripe.errors import ModelError
from stripe.registry import nearest

#: Environment variable with the names of the functions that the configuration of a run may call.
TRUST = "STRIPE_TRUST"


def is_function(name: str) -> bool:
    """Tell whether the name of a network is "module:function"."""
    return ":" in name and name.partition(":")[0] not in ("timm", "tv")


def check_trusted(name: str, source: Path) -> None:
    """Raise an error for a function that is named in a file and that the user does not trust.

    Parameters
    ----------
    name
        The name of a network, as for `stripe.build`.
    source
        The file or run that names it.

    Raises
    ------
    ModelError
        If `name` is a function, and the environment variable STRIPE_TRUST does not name it. This
        variable holds names, separated by commas.
    """
    trusted = os.environ.get(TRUST, "").split(",")
    if is_function(name) and name not in trusted:
        raise ModelError(
            f"the network of {source} is the function {name!r}, which would run with your rights; "
            f"if you trust it, set {TRUST}={name}"
        )


def own_network(name: str, **wanted: Any) -> nn.Module:
    """Call a function that builds a network.

    Parameters
    ----------
    name
        "module:function"; the working directory is searched too.
    **wanted
        Arguments for the function. Arguments that it does not accept are left out.

    Raises
    ------
    ModelError
        If the function does not exist, fails, or returns something other than an `nn.Module`.
    """
    builder = own_function(
        name, "a model is timm:NAME, tv:NAME, module:function or a name for stripe.build"
    )
    try:
        network = builder(**_accepted(builder, wanted))
    except Exception as error:
        raise ModelError(f"{name}() raised {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ModelError(f"{name} must return an nn.Module, got {type(network).__name__}")
    return network


def own_function(name: str, expected: str) -> Callable[..., Any]:
    """Import a function of a user.

    Parameters
    ----------
    name
        "module:function"; the working directory is searched too.
    expected
        Description of valid names, for errors.

    Raises
    ------
    ModelError
        If there is no such function.
    """
    module, _, function = name.partition(":")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise ModelError(
            f"{expected}; give a function of your own module, got {name!r} of Python's library"
        )
    if module.endswith(".py"):
        give = f"{Path(module).stem}:{function}"
        raise ModelError(
            f"{expected}, got {name!r}; run this in the folder of {module}, with {give}"
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # behind all else: no file of it hides a library
    known: list[str] = [path.stem for path in Path.cwd().glob("*.py")]
    wanted = module
    try:
        imported = import_module(module)
        known, wanted = [key for key, value in vars(imported).items() if callable(value)], function
        found: Callable[..., Any] = getattr(imported, function)
    except (ImportError, AttributeError, ValueError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if function and missing == module.partition(".")[0]:
            raise ModelError(
                f"there is no module {module!r} in {Path.cwd()}, and none is installed; "
                f"{nearest(wanted, known)}run this in the folder of {missing}.py, got {name!r}"
            ) from error
        raise ModelError(
            f"{expected}; {nearest(wanted, known)}{name!r} is none of them: {error}"
        ) from error
    if not callable(found):
        raise ModelError(f"{expected}, and {name!r} is of type {type(found).__name__}")
    return found


def _accepted(builder: Callable[..., Any], wanted: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(builder).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return wanted
    names = {parameter.name for parameter in parameters}
    return {name: value for name, value in wanted.items() if name in names}
