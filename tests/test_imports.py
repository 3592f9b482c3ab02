"""The arrows of the design: an import only ever points to the left."""

import ast
import subprocess
import sys
from collections.abc import Container, Iterator
from contextlib import suppress
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

import stripe
from stripe import _HOME as HOMES

PACKAGE = Path(stripe.__file__).parent
#: Files without a part of their own, which every part may import.
BASE = [
    "defaults",
    "errors",
    "warn",
    "files",
    "hints",
    "html",
    "interrupts",
    "lazy",
    "locks",
    "memory",
    "registry",
    "select",
    "settings",
    "typed",
    "versions",
]
NO_TORCH = ["recording", "stats", "cards", "plots", "explorer"]
TORCH = [
    "modules",
    "outputs",
    "attention",
    "asr",
    "backbones",
    "gates",
    "hooks",
    "intervene",
    "gradcam",
    "robustness",
    "data",
    "train",
    "style",
]
ON_TOP = ["onnx", "audit", "reproduce", "demos", "cli", "__main__"]
ORDER = BASE + NO_TORCH + TORCH + ON_TOP


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, at the top or within functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def name_of(path: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _module(known: Container[str], name: str) -> str:
    """Return the module of ours that an imported name is, or is of; "" if it is another's."""
    return next((n for n in (name, name.rpartition(".")[0]) if n in known), "")


def code_in_strings(path: Path) -> Iterator[ast.Module]:
    """Yield the strings of a file that are code, to be run in a process of its own."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and "import " in str(node.value):
            with suppress(SyntaxError):
                yield ast.parse(dedent(str(node.value)))


FILES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


def test_every_part_has_its_place() -> None:
    assert {part_of(path) for path in FILES} <= set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_the_left(path: Path) -> None:
    here = part_of(path)
    for name in imported(path):
        if name.startswith("stripe."):
            there = name.split(".")[1]
            # `from stripe import stats` names a part; `from stripe import build` a public name.
            if there in ORDER:
                assert ORDER.index(there) <= ORDER.index(here), f"{path} imports {name}"
            else:
                assert here == "cli", f"{path} imports a public name, {name}"


def test_no_import_runs_in_a_circle() -> None:
    """Those within functions count, and those for type annotations too."""
    known = {name_of(path): path for path in [*FILES, PACKAGE / "__init__.py"]}
    graph = {}
    for name, path in known.items():
        there = {_module(known, one) for one in imported(path)} - {name, ""}
        # That a package names its own files is no circle; that it imports another's may be one.
        own = f"{name}." if path.name == "__init__.py" else "-"
        graph[name] = {one for one in there if not one.startswith(own)}
    TopologicalSorter(graph).prepare()


def test_code_in_strings_imports_what_is_there() -> None:
    """No linter sees an import in a string, so a file that moves leaves it behind."""
    root, count = PACKAGE.parent, 0
    for path in [*(root / "tests").rglob("*.py"), *(root / "benchmarks").rglob("*.py")]:
        for node in (node for code in code_in_strings(path) for node in ast.walk(code)):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                if name.split(".")[0] in ("stripe", "tests", "benchmarks"):
                    there = root.joinpath(*name.split("."))
                    assert there.is_dir() or there.with_suffix(".py").exists(), f"{path}: {name}"
                    count += 1
    assert count > 20


@pytest.mark.parametrize("part", NO_TORCH + BASE)
def test_first_line_is_free_of_torch(part: str) -> None:
    files = [path for path in FILES if part_of(path) == part]
    assert files
    for path in files:
        assert not {
            n for n in imported(path) if n.split(".")[0] in ("torch", "torchvision", "timm")
        }


@pytest.mark.parametrize(
    "code",
    [
        "import stripe",
        "import stripe; stripe.open_recording; stripe.stats.stripe_index; stripe.plots.stripes",
        "import stripe.cli",
    ],
)
def test_torch_is_not_imported_until_needed(code: str) -> None:
    check = f"{code}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_every_public_name_is_there() -> None:
    for name in stripe.__all__:
        home = import_module(HOMES.get(name, "stripe.errors"))
        whole = home.__name__ == f"stripe.{name}"
        assert getattr(stripe, name) is (home if whole else vars(home)[name])
    assert set(stripe.__all__) <= set(dir(stripe))
    with pytest.raises(AttributeError, match="nonsense"):
        stripe.nonsense  # noqa: B018


@pytest.mark.slow
def test_a_part_never_hides_the_public_function_of_its_name() -> None:
    check = "; ".join(
        f"import stripe, stripe.{name}, stripe.{name}.{name}; from stripe import {name}; "
        f"assert callable({name}) and stripe.{name} is {name}; "
        f"import sys; sys.modules['stripe.{name}.{name}'].{name} is {name} or sys.exit(1)"
        for name in ("audit", "intervene")
    )
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
