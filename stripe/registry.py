"""A dictionary from name to builder, filled by the files of one package.

A module, network or data set is added by a file that registers itself. Another distribution adds
its own by an entry point. The group of the entry point is the name of the package here:
"stripe.attention", "stripe.backbones" or "stripe.data".
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from stripe.errors import StripeError, UnknownNameError
from stripe.warn import warn

Builder = TypeVar("Builder", bound=Callable[..., Any])


def listed(names: Sequence[str], limit: int = 40) -> str:
    """Write names as a list for an error message, cut after `limit`."""
    more = f" ... and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def counted(count: int, noun: str) -> str:
    """Write a number and its noun, such as "1 epoch" or "2 epochs"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def nearest(name: str, names: Iterable[str]) -> str:
    """Write the name that is nearest to a misspelt one, for an error message; empty if none is."""
    near = get_close_matches(name, list(names), n=1)
    return f"the nearest is {near[0]}; " if near else ""


#: A named group of digits in the pattern of names.
_GROUP = re.compile(r"\(\?P<(\w+)>\\d\+\)")


class Registry(Generic[Builder]):
    """Builders by name, found at the first look-up in the modules of `package` and entry points.

    Parameters
    ----------
    package
        Dotted name of the package whose modules register themselves on import.
    kind
        Kind of the registered objects, for messages: "attention module".
    """

    def __init__(self, package: str, kind: str) -> None:
        self.package = package
        self.kind = kind
        self._builders: dict[str, Callable[..., Any]] = {}
        self._patterns: dict[re.Pattern[str], Builder] = {}
        self._discovered = False

    def register(self, *names: str, pattern: str | None = None) -> Callable[[Builder], Builder]:
        r"""Return a decorator that registers a builder under `names`.

        With `pattern`, a regular expression, the builder also builds every other name that matches.
        The named groups are passed to it as integers: the group of `r"resnet(?P<depth>\d+)"` is
        passed as `depth=`.

        Raises
        ------
        StripeError
            If a builder of another module has one of the names.
        """

        def add(builder: Builder) -> Builder:
            compiled = re.compile(pattern) if pattern else None
            if compiled is not None:
                self._patterns[compiled] = builder
            for name in names:
                self._refuse_taken(name, builder)
                match = compiled.fullmatch(name) if compiled else None
                self._builders[name] = _sized(builder, match) if match else builder
            return builder

        return add

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        self._discover()
        return sorted(self._builders)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the registered names, sorted."""
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        """Return whether there is a builder for a name, which may match a pattern."""
        self._discover()
        return isinstance(name, str) and bool(self._builders.get(name) or self._matched(name))

    def __getitem__(self, name: str) -> Callable[..., Any]:
        """Return the builder called `name`, or raise `UnknownNameError` with the valid names."""
        self._discover()
        builder = self._builders.get(name) or self._matched(str(name))
        if builder is None:
            names = self.names()
            also = f", or a name of the form {listed(forms)}" if (forms := self._forms()) else ""
            raise UnknownNameError(
                f"unknown {self.kind} {name!r}; {nearest(str(name), names)}choose one of: "
                f"{listed(names)}{also}"
            )
        return builder

    def _forms(self) -> list[str]:
        """Return the forms of names with any number in them: "resnetDEPTH"."""
        patterns = [p.pattern for p in self._patterns if _GROUP.search(p.pattern)]
        return [_GROUP.sub(lambda number: number[1].upper(), pattern) for pattern in patterns]

    def _matched(self, name: str) -> Callable[..., Any] | None:
        for pattern, builder in self._patterns.items():
            if match := pattern.fullmatch(name):
                return _sized(builder, match)
        return None

    def _refuse_taken(self, name: str, builder: Builder) -> None:
        """Raise if another module has the name. One module may register again, as in a notebook."""
        taken = self._builders.get(name, builder)
        before, now = (getattr(of, "func", of).__module__ for of in (taken, builder))
        if before != now:
            raise StripeError(
                f"the {self.kind} {name!r} of {now} must have another name, since {before} has "
                "registered it"
            )

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True  # the modules that are imported below may ask for names
        try:
            self._import_all()
        except BaseException:
            self._discovered = False
            raise

    def _import_all(self) -> None:
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        for point in entry_points(group=self.package):
            try:
                point.load()
            except Exception as error:  # of a package of others, without which the rest works
                warn(f"{point.value} adds no {self.kind}, because it cannot be imported: {error}")


def _sized(builder: Callable[..., Any], match: re.Match[str]) -> Callable[..., Any]:
    return partial(builder, **{key: int(value) for key, value in match.groupdict().items()})
