"""Check the types and values of the fields of a file."""

from collections import Counter
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_type_hints

from stripe.hints import parts_of
from stripe.recording.schema import Header, RecordedGate

#: Arrow counts the values of a row in 32 bits.
_MOST_VALUES = 2**31 - 1


def check_fields(instance: Any) -> None:
    """Raise a ValueError if the value of a field does not have the declared type."""
    for name, hint in _hints(type(instance)).items():  # type: ignore[arg-type]  # a class has a hash
        value = getattr(instance, name)
        if not _fits(value, hint):
            expected = hint.__name__ if isinstance(hint, type) else str(hint)
            raise ValueError(f"{name} must be {expected}, got {value!r:.60}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is of a type; True is no number."""
    if type(value) is hint:  # most are, and that is fast
        return True
    origin, inner = parts_of(hint)
    if origin is UnionType:
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        of_each = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(value) == len(of_each) and all(map(_fits, value, of_each))
    if origin is dict:
        pairs = value.items() if isinstance(value, dict) else [(None, None)]
        return all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in pairs)
    if is_dataclass(hint) or hint is NoneType:
        return isinstance(value, hint)  # type: ignore[arg-type]  # both are classes
    return type(value) is hint


def check_header(header: Header) -> None:
    """Raise a ValueError if a header names a gate twice, or a gate that no column can hold."""
    counts = Counter(gate.name for gate in header.gates)
    for gate in header.gates:
        if not isinstance(gate, RecordedGate):
            raise ValueError("a found gate becomes one of a recording by RecordedGate.of")
        sizes = (gate.channels, gate.groups, *(gate.spatial or ()))
        height, width = gate.spatial or (1, 1)
        if min(sizes) < 1 or max(gate.channels, height * width) > _MOST_VALUES:
            raise ValueError(f"gate {gate.name!r} has the sizes {', '.join(map(str, sizes))}")
        if counts[gate.name] > 1:
            raise ValueError(f"gate {gate.name!r} comes {counts[gate.name]} times")
        try:
            gate.name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"gate {gate.name!a} has a name that is not text") from None
