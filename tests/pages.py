"""The code blocks of the pages: Python runs, and so does a shell unless a comment says why not."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

from stripe.cli import main
from stripe.cli.app import app

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

#: The words of a comment by which a reader sees why a command is not run by a test.
REASON = re.compile(r"\b(needs|serves|takes)\b")


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Return language and code of every block; without a language it is output, and is left out."""
    return [(language, code) for language, code in BLOCK.findall(page.read_text()) if language]


def python_of(page: Path) -> str:
    """Return the Python of a page as one program."""
    return "\n".join(code for language, code in blocks_of(page) if language == "python")


def files_of(page: Path) -> set[str]:
    """Return the figures and reports that the Python of a page writes."""
    return set(
        re.findall(r'(?:savefig\(|Path\(|out=|save\()"([\w/]+\.(?:png|pdf|html))"', python_of(page))
    )


def run_page(page: Path, names: dict[str, Any], smaller: dict[str, str]) -> None:
    """Run the blocks of a page from top to bottom in the working directory.

    `names` are those that its Python takes as given. `smaller` replaces parts of its code, to run
    it on less data.
    """
    text = "".join(code for _, code in blocks_of(page))
    assert not [whole for whole in smaller if whole not in text]
    for language, code in blocks_of(page):
        for whole, part in smaller.items():
            code = code.replace(whole, part)
        if language == "python":
            exec(compile(code, str(page), "exec"), names)
        else:
            assert language == "sh"
            run_commands(code)


def run_commands(code: str) -> None:
    """Run the commands of a shell that a test can run, and check that the others exist."""
    for line in code.replace("\\\n", " ").splitlines():
        command, _, comment = line.partition(" #")
        if words := shlex.split(command):
            run_command(words, runs=not REASON.search(comment))


def run_command(words: list[str], *, runs: bool) -> None:
    """Run `stripe` in this process; look up the target of `make` and the extra of `pip`."""
    program, *rest = words
    if program == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "pip":
        assert not set(extras_in(rest[-1])) - extras()
    elif program == "stripe":
        run_stripe(rest, runs=runs)
    else:
        assert not runs, f"a test cannot run {program}; a comment must say what it needs"
        if "stripe" in rest:  # of torchrun
            run_stripe(rest[rest.index("stripe") + 1 :], runs=False)


def run_stripe(arguments: list[str], *, runs: bool) -> None:
    """Check the options of a command, and run it where a test can."""
    app.parse_args(arguments, exit_on_error=False)
    if not runs:
        return
    try:
        main(arguments)
    except SystemExit as ended:
        if ended.code:
            raise


def extras_in(requirement: str) -> list[str]:
    """Return the extras of what `pip` is to install."""
    found = re.search(r"\[(.+)\]", requirement)
    return found[1].split(",") if found else []


def extras() -> set[str]:
    """Return the names of all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return set(project["optional-dependencies"])
