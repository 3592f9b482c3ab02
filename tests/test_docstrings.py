"""The examples of docstrings run, and every public function has one."""

import copy
import doctest
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import torchvision
from exported import export, small
from PIL import Image

import stripe

#: What is public as a whole, beside the names of `stripe` itself.
PACKAGES = ["stripe", "stats", "plots", "asr", "attention", "data", "gates", "gradcam", "modules",
            "onnx", "robustness", "train"]  # fmt: skip


#: Files of which some names are public.
FILES = {
    "stripe.intervene.ablate": ["ablate"],
    "stripe.outputs.agreement": ["agreements"],
    "stripe.outputs.predictions": ["Boxes", "predictions"],
}


def public() -> dict[str, Any]:
    """Return the public functions and classes of ours, by the name that users write."""
    found: dict[int, tuple[str, Any]] = {}
    for package in PACKAGES:
        name = "stripe" if package == "stripe" else f"stripe.{package}"
        module = import_module(name)
        for one in [one for one in dir(module) if not one.startswith("_")]:
            value = getattr(module, one)
            if not inspect.isfunction(value) and not inspect.isclass(value):
                continue
            if value.__module__.startswith("stripe.") and value.__module__ != "stripe.lazy":
                found.setdefault(id(value), (f"{name}.{one}", value))
    for file, names in FILES.items():
        found |= {id(one := vars(import_module(file))[n]): (f"{file}.{n}", one) for n in names}
    return dict(found.values())


PUBLIC = public()


@pytest.mark.parametrize("name", [n for n, value in PUBLIC.items() if inspect.isfunction(value)])
def test_every_public_function_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(PUBLIC[name]) or "")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the names that examples use: a small network, its images, and a recording of it."""
    torch.manual_seed(0)
    model = stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1)
    images = torch.rand(8, 1, 28, 28)
    loader = [(images, torch.arange(8) % 2)]
    folder = tmp_path_factory.mktemp("examples")
    with stripe.Recorder(model, folder / "runs" / "mine") as recorder, torch.no_grad():
        for epoch in range(3):
            for parameter in model.parameters():
                parameter.add_(0.01)
            recorder.record(loader, epoch, progress=False)
    export(small(), folder / "model.onnx")
    (folder / "photos").mkdir()
    Image.new("RGB", (64, 64)).save(folder / "photos" / "one.png")
    libraries = {"stripe": stripe, "torch": torch, "torchvision": torchvision, "timm": timm,
                 "np": np, "pd": pd, "Path": Path}  # fmt: skip
    return {**libraries, "model": model, "images": images, "loader": loader, "folder": folder}


def examples(value: Any) -> list[doctest.DocTest]:
    """Return the examples of a function, or of a class and its methods."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(value, value.__name__) if test.examples]


def run_example(test: doctest.DocTest, names: dict[str, Any]) -> None:
    """Run an example; where it says what is printed, compare."""
    checker, options = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    shown: list[str] = []
    names["__builtins__"] = __builtins__
    for example in (one for one in test.examples if doctest.SKIP not in one.options):
        shown.clear()
        code = compile(example.source, f"<{test.name}>", "single")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.displayhook", _show_into(shown))
            exec(code, names)
        if example.want:
            printed = "".join(shown)
            assert checker.check_output(example.want, printed, options), (
                f"{test.name}: {example.source} gives {printed}and the example says {example.want}"
            )


def _show_into(shown: list[str]) -> Callable[[Any], None]:
    return lambda value: shown.append("" if value is None else f"{value!r}\n")


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if examples(value)])
def test_examples_run(
    name: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").symlink_to(names["folder"] / "runs" / "mine")
    for shared in ("model.onnx", "photos"):
        (tmp_path / shared).symlink_to(names["folder"] / shared)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    for test in examples(PUBLIC[name]):
        recording, model = stripe.open_recording("runs/mine"), copy.deepcopy(names["model"])
        own = {**names, "recording": recording, "model": model}
        run_example(test, own)


def test_a_wrong_example_fails() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    with pytest.raises(AssertionError, match="the example says 3"):
        run_example(wrong, {})
