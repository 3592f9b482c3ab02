"""Registries from names to builders."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stripe.errors import ModelError, StripeError, UnknownNameError
from stripe.registry import Registry, listed


def test_an_unknown_name_lists_the_known_ones() -> None:
    registry: Registry[Any] = Registry("stripe.plots", "thing")
    registry.register("b", "a")(dict)
    with pytest.raises(UnknownNameError, match=r"unknown thing 'c'; choose one of: a, b$"):
        registry["c"]


def test_an_exact_name_wins_over_a_pattern() -> None:
    registry: Registry[Any] = Registry("stripe.plots", "thing")
    registry.register("size20", pattern=r"size(?P<side>\d+)")(lambda side: side)
    registry.register("size34")(lambda: "exact")
    assert registry.names() == ["size20", "size34"]
    assert (registry["size20"](), registry["size7"](), registry["size34"]()) == (20, 7, "exact")


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b", "c"], limit=2) == "a, b ... and 1 more"


def test_model_errors_are_stripe_errors() -> None:
    from stripe import StripeError

    assert issubclass(ModelError, StripeError)


def test_a_name_belongs_to_one_module() -> None:
    registry: Registry[Any] = Registry("stripe.plots", "thing")
    registry.register("a")(test_long_lists_are_cut)
    registry.register("a")(test_long_lists_are_cut)  # as where a cell of a notebook runs again
    with pytest.raises(StripeError, match=r"the thing 'a' of .* must have another name"):
        registry.register("a")(listed)


def test_a_discovery_that_was_interrupted_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    registry: Registry[Any] = Registry("stripe.attention", "thing")
    with monkeypatch.context() as interrupted:
        interrupted.setattr("pkgutil.iter_modules", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            registry.names()
    registry.register("a")(dict)
    assert registry.names() == ["a"]


def _interrupt(path: Any) -> Any:
    raise KeyboardInterrupt


MODULE = """
from stripe.attention import SE
from stripe.attention.registry import ATTENTIONS

@ATTENTIONS.register("mine")
class Mine(SE):
    pass
"""
CODE = """
import warnings, stripe
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    net = stripe.build("resnet8_basic", attention="mine", num_classes=10)
print(sum(type(module).__name__ == "Mine" for module in net.modules()))
print([str(one.message) for one in caught if "adds no" in str(one.message)])
"""


@pytest.mark.slow
def test_a_package_adds_its_attention_by_an_entry_point(tmp_path: Path) -> None:
    (tmp_path / "my_package.py").write_text(MODULE)
    (tmp_path / "broken_package.py").write_text("import what_is_not_there")
    about = tmp_path / "my_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[stripe.attention]\nmine = my_package\nbroken = broken_package\n"
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "3"
    assert "broken_package adds no attention module, because" in done.stdout
