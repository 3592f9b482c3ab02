"""The sizes of files and functions that CONTRIBUTING asks for, and the first line of every file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import stripe

PACKAGE = Path(stripe.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, without its docstring."""
    start = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
    assert function.end_lineno is not None
    return function.end_lineno - start.lineno + 1


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_has_one_idea_and_a_size_to_read(path: Path) -> None:
    text = path.read_text()
    first, *_ = (ast.get_docstring(ast.parse(text)) or "").splitlines() or [""]
    assert first.endswith("."), "the first line says the idea of the file, in a sentence"
    assert text.count("\n") <= 350, "split the file"
    for function in _functions(path):
        assert _lines(function) <= 60, f"split {function.name}"
