"""Images of a folder are drawn from all classes, and mixed where a batch decides the result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stripe.cli.options.model import Source
from stripe.hooks.batches import numbered_batches
from stripe.robustness import attack

Run = Callable[..., tuple[int, str]]

MODULE = """
import torch, stripe

def network():
    torch.manual_seed(0)
    return stripe.build("resnet8_basic", attention="se", num_classes=3).eval()
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Return a network, and a folder of three classes with eight images each."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net_of_three.py").write_text(MODULE)
    rng = np.random.default_rng(0)
    for number in range(24):
        folder = tmp_path / "photos" / f"class{number // 8}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60, (16, 16, 3))
        pixels[..., number // 8] += 180
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02}.png")
    where: Any = {"images": "photos", "image_size": "16", "crop": 1.0, "device": "cpu"}
    return Source(model="net_of_three:network", batch_size=8, **where)


def batches(source: Source, **options: Any) -> list[Any]:
    return list(numbered_batches(source.load(**options)[1]))


def test_a_limit_draws_from_all_classes(source: Source) -> None:
    (_, _, labels), = batches(source, limit=8)  # fmt: skip
    assert len(labels.unique()) > 1
    assert len(batches(source)) == 3


def test_mixed_images_keep_their_numbers(source: Source) -> None:
    in_order, drawn = batches(source), batches(source, mixed=True)
    assert all(len(labels.unique()) == 1 for *_, labels in in_order)
    assert all(len(labels.unique()) > 1 for *_, labels in drawn)
    numbers = np.concatenate([number for number, *_ in drawn])
    assert sorted(numbers) == list(range(24))
    images = torch.cat([images for _, images, _ in in_order])
    assert torch.equal(torch.cat([batch for _, batch, _ in drawn]), images[numbers])


def test_noise_of_the_batch_sees_all_classes(source: Source, run: Run, tmp_path: Path) -> None:
    """Normalised by its own class alone, an image of one colour has no colour."""
    network, loader, _ = source.load()
    options: Any = {"progress": False}
    with pytest.warns(UserWarning, match="sorted by class"):
        by_class = attack(network, loader, ["batch"], **options)
    shuffled = attack(network, source.load(mixed=True)[1], ["batch"], **options)
    out = tmp_path / "noise.csv"
    given = ["--images", "photos", "--image-size", 16, "--crop", 1, "--batch-size", 8]
    code, said = run(
        "noise", "--model", source.model, *given, "--device", "cpu", "--spec", "batch", "--out", out
    )
    assert code == 0, said
    assert "sorted by class" not in said
    kept = pd.read_csv(out).set_index("noise")["agreement"]["batch"]
    assert kept == shuffled["agreement"].iloc[1]
    assert kept != by_class["agreement"].iloc[1]
