"""The names that pages write after a plain `import stripe` are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"(?<![\w./-])stripe(?:\.[A-Za-z]\w*)+")

#: `stripe.intervene` and `stripe.audit` are functions, so that their modules must be imported.
HIDDEN = ("stripe.intervene.", "stripe.audit.")

WALK = """
import sys, stripe
for name in sys.argv[1:]:
    found = stripe
    try:
        for part in name.split(".")[1:]:
            found = getattr(found, part)
    except AttributeError as error:
        print(name, error)
"""


@pytest.mark.slow
def test_names_in_pages_need_no_other_import() -> None:
    """Each name is looked up in a process of its own kind: nothing else was imported before."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/howto").glob("*.md")]
    texts = [re.sub(r"(from|import) stripe\S*", "", page.read_text()) for page in pages]
    found = {name for text in texts for name in NAME.findall(text)}
    names = {name for name in found if not name.startswith(HIDDEN)}
    assert {"stripe.data.image_folder", "stripe.freeze"} <= names
    command = [sys.executable, "-c", WALK, *sorted(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_an_unknown_name_is_an_attribute_error() -> None:
    code = "import stripe; print(hasattr(stripe, 'fries'), hasattr(stripe, '__path_to_nowhere__'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
