"""Settings of a run: checked when they are made, and stored as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from beartype import BeartypeConf
from beartype.door import is_bearable

from stripe.errors import StripeError, UnknownOptionError
from stripe.registry import listed

#: The kind of settings that a class method returns; `Self` is unknown to the checks of the tests.
S = TypeVar("S", bound="Settings")

#: Entries that a run writes beside its settings.
_BESIDE = {"command", "data", "initial_sha256", "made_on", "versions"}


def settings(cls: type[S]) -> type[S]:
    """Let a dataclass of settings refuse a setting that does not exist, and name the nearest.

    Use it as a decorator, above that of the dataclass.
    """
    made = cls.__init__
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # it is a dataclass

    @wraps(made)
    def checked(self: S, **named: Any) -> None:
        if unknown := [name for name in named if name not in known]:
            raise UnknownOptionError(cls.__name__, unknown[0], known, cls.__name__)
        made(self, **named)

    cls.__init__ = checked  # type: ignore[assignment,method-assign]
    return cls


class Settings:
    """Base of the frozen dataclasses of settings.

    A subclass gives the ranges of its fields in `LEAST` and `MOST`. It lists in `INCIDENTAL` the
    fields that do not change the results, such as the directory of a run. `BEFORE` maps fields that
    were added later to the value that runs had before the field existed. The `config.json` of such
    a run is read with this value. A field with this value is not part of the `identity` of a run.
    Values of the fields in `AS_TEXT` are converted to text.
    """

    LEAST: ClassVar[Mapping[str, float]] = {}
    MOST: ClassVar[Mapping[str, float]] = {}
    INCIDENTAL: ClassVar[tuple[str, ...]] = ()
    BEFORE: ClassVar[Mapping[str, Any]] = {}
    AS_TEXT: ClassVar[tuple[str, ...]] = ()

    seed: int
    out: Path

    def check(self) -> None:
        """Raise a `StripeError` if the type of a field is wrong or its value is out of range.

        The message says what is allowed. A path may be given as a string.
        """
        hints: dict[str, Any] = get_type_hints(type(self))
        for name in self.AS_TEXT:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, str(value))
        for name, path in self._paths(vars(self)).items():
            object.__setattr__(self, name, path)  # the dataclass is frozen
        for field in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            name, hint, value = field.name, hints[field.name], getattr(self, field.name)
            if get_origin(hint) is Literal and value not in get_args(hint):
                allowed = ", ".join(get_args(hint))
                raise StripeError(f"{name} is one of {allowed}, got {value!r}")
            # The type check looks only at some entries of a tuple, so check each entry.
            entries = value if get_origin(hint) is tuple and isinstance(value, tuple) else (value,)
            of_entry = get_args(hint)[0] if entries is value else hint
            if not all(
                is_bearable(entry, of_entry, conf=_INTEGERS_ARE_NUMBERS) for entry in entries
            ):
                expected = getattr(hint, "__name__", str(hint)) if hint in _PLAIN else str(hint)
                raise StripeError(f"{name} must be {expected}, got {value!r}")
            if isinstance(value, bool) and hint is not bool:
                raise StripeError(f"{name} must be a number, got {value!r}")
            if isinstance(value, float) and not math.isfinite(value):
                raise StripeError(f"{name} must be finite, got {value!r}")
        for name, least in self.LEAST.items():
            if (value := getattr(self, name)) is not None and value < least:
                raise StripeError(f"{name} must be at least {least}, got {value}")
        for name, most in self.MOST.items():
            if (value := getattr(self, name)) is not None and value > most:
                raise StripeError(f"{name} must be at most {most}, got {value}")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, which `from_json` reads."""
        values = asdict(self)  # type: ignore[call-overload]  # subclasses are dataclasses
        resolved: dict[str, Any] = json.loads(json.dumps(values, default=str))
        return resolved

    @classmethod
    def from_json(cls: type[S], values: Mapping[str, Any]) -> S:
        """Return settings from JSON values, such as those of the `config.json` of a run.

        Raises
        ------
        StripeError
            If a field is unknown, its type is wrong, or its value is out of range.
        """
        hints = get_type_hints(cls)
        known = {field.name: hints[field.name] for field in fields(cls)}  # type: ignore[arg-type]
        if unknown := set(values) - set(known) - _BESIDE:
            raise StripeError(
                f"a configuration has the fields {listed(sorted(known))}; got "
                f"{', '.join(sorted(unknown))} as well"
            )
        given = {name: value for name, value in values.items() if name in known}
        if "versions" in values:  # written by a run, perhaps by one that had fewer fields
            given = {**cls.BEFORE, **given}
        for name, value in given.items():
            if isinstance(value, list) and get_origin(known[name]) is tuple:
                given[name] = tuple(value)
        return cls(**{**given, **cls._paths(given)})

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine the results of a run, as JSON values.

        A field of `BEFORE` that has the value from before it existed is left out, so that a new
        field does not change the identity of the runs that were made without it.
        """
        return {
            name: value
            for name, value in self.to_json().items()
            if name not in self.INCIDENTAL
            and not (name in self.BEFORE and self.BEFORE[name] == value)
        }

    @classmethod
    def _paths(cls, values: Mapping[str, Any]) -> dict[str, Path]:
        """Return the fields that hold paths, with ~ replaced by the home directory."""
        hints = get_type_hints(cls)
        wanted = {name for name, hint in hints.items() if Path in (hint, *get_args(hint))}
        return {
            name: Path(value).expanduser()
            for name, value in values.items()
            if name in wanted and isinstance(value, str | Path)
        }

    def differences(self, other: "Settings") -> list[str]:
        """Return the names of the fields that differ and are not in `INCIDENTAL`."""
        mine, theirs = self.to_json(), other.to_json()
        return [n for n in mine if n not in self.INCIDENTAL and mine[n] != theirs[n]]


_INTEGERS_ARE_NUMBERS = BeartypeConf(is_pep484_tower=True)
_PLAIN = (int, float, bool, str, Path)
