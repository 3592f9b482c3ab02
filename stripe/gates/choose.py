"""Which of a model's gates are meant."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from stripe.errors import UnknownNameError
from stripe.recording import Gate
from stripe.registry import listed

#: "all", a name or a pattern with * and ?, several names, or a predicate.
Choice = str | Sequence[str] | Callable[[Gate], bool]


def chosen_gates(found: Sequence[Gate], gates: Choice | None) -> list[Gate]:
    """Return the gates that are meant, in forward order.

    Raises
    ------
    UnknownNameError
        If a name or pattern fits none, or a predicate chooses none; the message lists the names.
    """
    if gates is None or gates == "all":
        return list(found)
    if callable(gates):
        chosen = {gate.name for gate in found if gates(gate)}
        if not chosen:
            raise UnknownNameError(f"the predicate chose none of {_names(found)}")
    else:
        chosen = set()
        for pattern in [gates] if isinstance(gates, str) else gates:
            fitting = {g.name for g in found if g.name == pattern or fnmatchcase(g.name, pattern)}
            if not fitting:
                raise UnknownNameError(
                    f"the model has no gate {pattern!r}; it has: {_names(found)}"
                )
            chosen |= fitting
    return [gate for gate in found if gate.name in chosen]


def _names(found: Sequence[Gate]) -> str:
    return listed([gate.name for gate in found]) or "none"
