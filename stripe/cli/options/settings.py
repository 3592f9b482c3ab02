"""Turn the fields of settings into options of a command."""

from collections.abc import Mapping
from dataclasses import field, fields, make_dataclass
from typing import Annotated, Any, get_type_hints

from cyclopts import Group, Parameter

from stripe.settings import Settings


def options_of(
    kind: type[Settings],
    groups: Mapping[Group, tuple[str, ...]],
    *,
    without: tuple[str, ...] = (),
) -> Any:
    """Make a class with the fields of settings as options of a command, each with the default None.

    The help lists fields without a group first, and other fields under the heading of their group.
    """
    group_of = {name: (Parameter(group=of),) for of, names in groups.items() for name in names}
    hints: dict[str, Any] = get_type_hints(kind)
    chosen = [one for one in fields(kind) if one.name not in without]  # type: ignore[arg-type]
    hints |= dict.fromkeys(kind.AS_TEXT, str)
    if unknown := group_of.keys() - hints:
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    options = [
        (
            one.name,
            Annotated[hints[one.name] | None, _shown(one.default), *group_of.get(one.name, ())],
            field(default=None),
        )
        for one in chosen
    ]
    made = make_dataclass(f"{kind.__name__}Options", options, kw_only=True, frozen=True)
    # cyclopts treats classes of the module "types" as plain values.
    made.__module__, made.__doc__ = __name__, kind.__doc__
    return Parameter(name="*")(made)


def given_of(options: Any) -> dict[str, Any]:
    """Return the options that were given, with None for "none"."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    return {name: None if str(value) == "none" else value for name, value in given.items()}


def _shown(default: Any) -> Parameter:
    """Return an option whose help shows the default that applies without recipe or file."""
    return Parameter(show_default=lambda _: default, negative_iterable=())
