"""`stripe audit` and the commands that share its options, on networks of one's own."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

import stripe
from stripe.cli import main
from stripe.cli.options.images import load_images
from stripe.cli.options.load_network import load_network


def write_images(folder: Path, classes: int, each: int) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(classes):
        directory = folder / f"class{number}" if classes > 1 else folder
        directory.mkdir(parents=True, exist_ok=True)
        for image in range(each):
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(directory / f"{image}.png")


MODULE = """
import timm, torch
def model():
    torch.manual_seed(0)
    return timm.create_model("seresnet18", num_classes=3)
"""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Return a function that runs a command in a new directory, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def call(*arguments: object) -> Done:
        capsys.readouterr()
        try:
            main([str(argument) for argument in arguments])
            code: Any = 0
        except SystemExit as end:
            code = end.code or 0
        return Done(code, *capsys.readouterr())

    return call


@pytest.mark.slow
def test_the_commands_on_a_network_and_images_of_ones_own(
    tmp_path: Path, run: Callable[..., Done]
) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    write_images(tmp_path / "images", classes=3, each=4)
    common = ["--model", "mine:model", "--images", "images", "--image-size", 64]
    done = run("audit", *common, "--rounds", 1, "--alone", "--controls", "--optimal", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["gates"]) == 8
    assert all(gate["kl"] >= 0 for gate in found["gates"])
    assert [row["gates"] for row in found["optimal"]] == [0, 8, 8]
    assert found["controls"][-1]["intervention"] == "zero"
    assert found["greedy"][0]["accuracy"] is not None
    assert (tmp_path / "report.html").exists()

    done = run("record", *common, "--out", "gates")
    assert done.returncode == 0, done.stderr
    recording = stripe.open_recording(tmp_path / "gates")
    assert recording.images["label"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert recording.header.model == "mine:model"

    arguments = ["--recording", "gates", "--out", "frozen.safetensors", "--json"]
    done = run("freeze", "--model", "mine:model", *arguments)
    assert done.returncode == 0, done.stderr
    assert all(gate["folded"] for gate in json.loads(done.stdout)["gates"])

    again = [*common, "--weights", "frozen.safetensors", "--out", "again"]
    done = run("record", *again)
    assert "no gates were found in this ResNet" in done.stderr  # they are folded
    left = load_network("mine:model", weights=tmp_path / "frozen.safetensors")
    right = stripe.freeze(load_network("mine:model"), tmp_path / "gates").model.eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(left(x), right(x))

    write_images(tmp_path / "flat", classes=1, each=6)
    options = ["--model", "timm:seresnet18", "--images", "flat", "--image-size", 64]
    done = run("record", *options, "--out", "flat-gates", "--moments-only", "--json")
    assert done.returncode == 0, done.stderr
    assert "the weights are random" in done.stderr
    assert json.loads(done.stdout) == {
        "recording": "flat-gates",
        "epoch": 0,
        "images": 6,
        "gates": 8,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "resnet20"], "--images must name a folder of images or a data set"),
        (["--model", "nowhere:model", "--images", "."], "there is no module 'nowhere' in"),
        (["--model", "timm:nothing", "--images", "."], "timm has no network 'nothing'"),
        (["--model", "timm:seresnet18", "--images", "gone"], "images must be a folder, and gone"),
        (["--model", "timm:seresnet18", "--images", "empty"], "holds no images"),
        (["--model", "mine.py", "--images", "."], "for a file mine.py give mine:FUNCTION"),
        (["--model", "theirs:broken", "--images", "."], "theirs:broken() raised ZeroDivisionError"),
        (
            ["--model", "timm:seresnet18", "--images", "torn", "--image-size", "64"],
            "torn.png cannot be read as an image",
        ),
        (["--model", "timm:seresnet18", "--images", "mixed"], "holds both (loose.png"),
        (
            ["--model", "timm:seresnet18", "--images", ".", "--limit", "0"],
            'Invalid value "0" for --limit. Must be >= 1',
        ),
        (
            ["--model", "timm:seresnet18", "--images", ".", "--weights", "bad.pt"],
            "bad.pt does not fit the network",
        ),
        (
            ["--model", "timm:seresnet18", "--images", ".", "--weights", "evil.pt"],
            "evil.pt must hold tensors only",
        ),
    ],
)
def test_errors_of_the_commands_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, run: Callable[..., Done]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "theirs.py").write_text("def broken(): return 1 / 0")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    (tmp_path / "mixed" / "class").mkdir(parents=True)
    (tmp_path / "mixed" / "loose.png").touch()
    torch.save({"state_dict": {"module.x": torch.zeros(1)}}, tmp_path / "bad.pt")
    torch.save({"model": nn.Linear(1, 1)}, tmp_path / "evil.pt")
    done = run("audit", *arguments)
    assert done.returncode == (2 if "Invalid value" in message else 1)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in line


def test_labels_of_other_classes_are_left_out(tmp_path: Path) -> None:
    write_images(tmp_path / "images", classes=2, each=2)
    five, two = (timm.create_model("seresnet18", num_classes=count).eval() for count in (5, 2))
    assert isinstance(
        next(iter(load_images(str(tmp_path / "images"), five, image_size=64)[0])), Tensor
    )
    loader, _ = load_images(str(tmp_path / "images"), two, image_size=64, limit=3)
    batch = next(iter(loader))
    assert batch[0].shape == (3, 3, 64, 64)
