"""Select gates, layers and modules by name, pattern or predicate."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeVar

from stripe.errors import UnknownNameError
from stripe.registry import listed

Thing = TypeVar("Thing")
#: "all", a name, a pattern with * and ?, a list of these, or a predicate of the thing: of a `Gate`
#: for gates, and of a `Layer` for layers, norms and sites.
Selection = str | Sequence[str] | Callable[[Any], bool]


class Layer(NamedTuple):
    """A layer, as the argument of a predicate.

    Parameters
    ----------
    name
        Dotted name, as in `model.named_modules()`.
    module
        The `torch.nn.Module`.
    """

    name: str
    module: Any


def select(
    things: Mapping[str, Thing], selection: Selection | None, *, kind: str, owner: str = "the model"
) -> list[str]:
    """Return the names of the chosen things, in the order of the mapping.

    Parameters
    ----------
    things
        Things to choose from, by name. A predicate is called with the values.
    selection
        Names, patterns or a predicate. None and "all" select everything.
    kind, owner
        Words for error messages, such as "gate" and "the model".

    Raises
    ------
    UnknownNameError
        If no name fits a name or pattern, or a predicate chooses nothing. The message lists the
        names, and the nearest ones first.

    Examples
    --------
    >>> select({"layer1.se": 1, "layer2.se": 2}, "layer2.*", kind="gate")
    ['layer2.se']
    """
    if selection is None or selection == "all":
        return list(things)
    if callable(selection):
        chosen = {name for name, thing in things.items() if selection(thing)}
        if not chosen:
            names = listed(list(things)) or "none"
            raise UnknownNameError(f"the predicate chose no {kind} of {owner}; it has: {names}")
    else:
        chosen = set()
        for pattern in [selection] if isinstance(selection, str) else selection:
            # An existing name is not a pattern, even if it holds a bracket.
            exact = {pattern} & things.keys()
            wildcard = "*" if pattern == "all" else pattern
            fitting = exact or {name for name in things if fnmatchcase(name, wildcard)}
            if not fitting:
                raise unknown_name(pattern, list(things), kind=kind, owner=owner)
            chosen |= fitting
    return [name for name in things if name in chosen]


def unknown_name(name: str, names: Sequence[str], *, kind: str, owner: str) -> UnknownNameError:
    """Return the error for an unknown name. The message lists the nearest known names."""
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    nearest = f"nearest: {', '.join(near)}; " if near and len(names) > len(near) else ""
    shown = listed(list(names), 12 if nearest else 40) or "none"
    return UnknownNameError(f"{owner} has no {kind} {name!r}; {nearest}it has: {shown}")
