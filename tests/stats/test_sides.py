"""Recordings of one side are networks of different seeds, on the same images."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import stripe
from stripe import stats
from stripe.errors import RecordingError

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return recordings of two networks, and of the first again."""
    folder = tmp_path_factory.mktemp("networks")
    images = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for name, seed in (("a", 0), ("b", 1), ("a again", 0)):
        model = stripe.build(
            "resnet8_basic", attention="se", num_classes=4, in_channels=1, seed=seed
        )
        stripe.record(model, [images], folder / name, dataset="x", progress=False)
    return [folder / name for name in ("a", "b", "a again")]


def test_a_network_counts_once_in_a_list(networks: list[Path], tmp_path: Path) -> None:
    a, b, again = networks
    copied = Path(shutil.copytree(a, tmp_path / "copied"))
    for twin in (again, copied):
        with pytest.raises(
            RecordingError, match=r"different seeds, and .*a and .* the same weights"
        ):
            stats.compare([[a, twin], [a, b]])
    assert stats.compare([[a, b], [again, b]], names=["x", "y"]).attrs["n"] == [2, 2]


def test_images_of_lists(write_recording: Write, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def written(name: str, dataset: str) -> Path:
        values = {0: {"g": rng.random((6, 4))}}
        path = tmp_path / f"{name}{dataset[0]}"
        return write_recording(values, path=path, dataset=dataset)

    cats, dogs = ([written(name, dataset) for name in "ab"] for dataset in ("cats", "dogs"))
    with pytest.raises(
        RecordingError, match=r"same images, but the data sets are 'cats' and 'dogs'"
    ):
        stats.compare([[cats[0], dogs[0]], cats])
    with pytest.warns(UserWarning, match=r"two sides hold different images, because .*'dogs'"):
        stats.compare([cats, dogs])
