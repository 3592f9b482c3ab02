"""Commands about an ONNX file."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from exported import export, small
from PIL import Image
from test_files import full
from torch import nn

from stripe.cli import main


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(small(), tmp_path_factory.mktemp("onnx") / "m.onnx", opset=13)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(8):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code


def test_gates_record_freeze(
    file: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("gates", "--model", file, "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["channels"] for row in listed] == [8, 12]
    assert all(row["into"] and not row["reason"] for row in listed)
    images = ("--images", photos, "--image-size", 24)
    assert run("record", "--model", file, *images, "--out", tmp_path / "r", "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"] == 8
    out = tmp_path / "f.onnx"
    frozen = ("freeze", "--model", file, "--recording", tmp_path / "r", "--json")
    with full(100):  # the numbers come before the file
        assert run(*frozen, "--out", out) == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)["gates"]) == 2
    assert said.err.splitlines()[-1].startswith(f"error: cannot write {out}: File too large")
    assert run(*frozen, "--out", out) == 0
    assert json.loads(capsys.readouterr().out)["error"] < 1e-4
    onnx.checker.check_model(onnx.load(out))
    assert run(*frozen, "--out", tmp_path / "f.safetensors") == 1
    assert "ends in .onnx" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["noise", "cam", "bound"])
def test_other_commands_refuse_in_a_line(
    file: Path, photos: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, tuple[object, ...]] = {
        "noise": ("--grid", "random"),
        "cam": ("--layer", "x", "--out", tmp_path / "c.png"),
        "bound": (),
    }
    assert run(command, "--model", file, "--images", photos, *options[command]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "takes a network of torch, got the ONNX file" in said[0]


@pytest.mark.filterwarnings("ignore")
def test_grey_images_of_a_fixed_batch(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 1), *small().children()).eval()
    path = tmp_path / "grey.onnx"
    torch.onnx.export(network, (torch.zeros(3, 1, 24, 24),), str(path), dynamo=False)
    code = run("record", "--model", path, "--images", photos, "--out", tmp_path / "r", "--json")
    assert code == 0
    assert json.loads(capsys.readouterr().out)["images"] == 8
