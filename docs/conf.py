"""The settings of the site that `make docs` builds."""

import inspect
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import stripe

DOCS = Path(__file__).parent
#: A link of a page to what is not part of the site.
OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)#]+)\)")

project = "stripe"
author = copyright = "the contributors of stripe"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "code"
html_theme = "pydata_sphinx_theme"
html_title = "stripe"
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
}
html_sidebars = {name: [] for name in ("figures", "format")}
myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_preprocess_types = False
autodoc_member_order = "alphabetical"
autodoc_typehints = "signature"


def without_links_to_the_repository(app: Sphinx, name: str, source: list[str]) -> None:
    """Name a file or folder outside of the site, as `benchmarks/record.py`, without a link."""
    page = DOCS / name
    source[0] = OUTSIDE.sub(lambda link: _named(page.parent, link), source[0])


def _named(folder: Path, link: re.Match[str]) -> str:
    target = (folder / link[2]).resolve()
    inside = target.is_relative_to(DOCS) or not target.exists()
    return link[0] if inside else link[1]


def elsewhere(app: Sphinx, what: str, name: str, value: Any, skip: bool, options: Any) -> bool:
    """Tell whether autodoc leaves a member out: another library's, or one of `stripe` itself."""
    if what != "module":
        return skip
    module = str(getattr(value, "__module__", ""))
    ours = module.startswith("stripe.") and module != "stripe.lazy"  # which every package uses
    page = app.env.current_document.docname
    of_stripe = name in stripe.__all__ and getattr(stripe, name) is value and page != "api/stripe"
    documented = inspect.isfunction(value) or inspect.isclass(value)
    return skip or not ours or not documented or of_stripe


def setup(app: Sphinx) -> None:
    """Connect the two functions."""
    app.connect("source-read", without_links_to_the_repository)
    app.connect("autodoc-skip-member", elsewhere)
