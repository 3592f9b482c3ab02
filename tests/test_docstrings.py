"""The examples of docstrings run, and every public function and class has one."""

import copy
import doctest
import inspect
from collections.abc import Callable
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
from public_names import public

import stripe
from stripe.style import StyleConfig, train_style

#: Public names with lines that need a cluster or a trainer. `# doctest: +SKIP` marks these lines.
PARTLY_SKIPPED = {"stripe.reproduce.engines.Ray", "stripe.hooks.RecordCallback"}
#: Public names whose examples start processes or train several networks.
SLOW = {"stripe.stats.processes", "stripe.style.train_and_compare"}

PUBLIC = public()


def test_every_package_is_in_the_reference() -> None:
    packages = {value.__module__.split(".")[1] for value in PUBLIC.values()}
    folders = {path.parent.name for path in Path(stripe.__file__).parent.glob("*/__init__.py")}
    assert folders - packages == {"cli", "demos"}  # these are used from a shell


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    parsed = doctest.DocTestParser().get_examples(inspect.getdoc(PUBLIC[name]) or "")
    skipped = [one for one in parsed if doctest.SKIP in one.options]
    assert parsed
    assert bool(skipped) == (name in PARTLY_SKIPPED)
    assert len(skipped) < len(parsed)


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
    for place in ("photos/one.png", "classes/val/cat/one.png", "classes/val/dog/one.png"):
        (folder / place).parent.mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / place)
    for variant in ("in", "bn+asr"):
        _style_run(folder, variant)
    libraries = {"stripe": stripe, "torch": torch, "torchvision": torchvision, "timm": timm,
                 "np": np, "pd": pd, "Path": Path}  # fmt: skip
    return {**libraries, "model": model, "images": images, "loader": loader, "folder": folder}


def _style_run(folder: Path, variant: Any) -> None:
    """Train a small style network by one step, in `runs/style` of a folder."""
    photos, out = folder / "photos", folder / "runs" / "style" / variant
    files: dict[str, Any] = {"content": photos, "style": photos / "one.png", "out": out}
    small: dict[str, Any] = {"features": "random:4", "size": 16, "width": 4, "steps": 1}
    train_style(
        StyleConfig(variant=variant, workers=0, device="cpu", **files, **small), progress=False
    )


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
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in PUBLIC]
)
def test_examples_run(
    name: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    for shared in ("runs/mine", "runs/style", "model.onnx", "photos", "classes"):
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
