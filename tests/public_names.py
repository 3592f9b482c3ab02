"""The public functions and classes, by the name that users write."""

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

#: The pages of the API reference, which define what is public.
PAGES = Path(__file__).parents[1] / "docs" / "api"
DIRECTIVE = re.compile(r"automodule:: (\S+)\n +:members:(.*)((?:\n +:[a-z-]+:)*)")


def public() -> dict[str, Any]:
    """Return the functions and classes of the reference, by the name that users write."""
    found: dict[int, tuple[str, Any]] = {}
    for page in [PAGES / "stripe.md", *sorted(PAGES.glob("*.md"))]:
        for name, members, options in DIRECTIVE.findall(page.read_text()):
            module = import_module(name)
            listed = [one.strip() for one in members.split(",") if one.strip()]
            assert listed or ":imported-members:" in options, f"{page} must say which members"
            for one in listed or [one for one in dir(module) if not one.startswith("_")]:
                value = getattr(module, one)
                if _is_ours(value):
                    found.setdefault(id(value), (f"{name}.{one}", value))
    return dict(found.values())


def _is_ours(value: Any) -> bool:
    """Return whether a member of a package is a function or a class of ours."""
    home = getattr(value, "__module__", "")
    kind = inspect.isfunction(value) or inspect.isclass(value)
    return kind and home.startswith("stripe.") and home != "stripe.lazy"
