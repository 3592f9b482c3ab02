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

    def written(name: str, dataset: str, start: int = 0) -> Path:
        values, path = (
            {0: {"g": rng.random((6, 4))}},
            tmp_path / f"{name}-{dataset.replace('/', '-')}-{start}",
        )
        return write_recording(values, path=path, dataset=dataset, images=np.arange(6) + start)

    cats, dogs = ([written(name, dataset) for name in "ab"] for dataset in ("cats", "dogs"))
    later = [written(name, "cats", 3) for name in "ab"]
    with pytest.raises(RecordingError, match=r"must hold the same images, but .*different indices"):
        stats.compare([[cats[0], later[0]], cats])
    for sides in ([cats, dogs], [[cats[0], dogs[0]], cats]):
        with pytest.warns(UserWarning, match=r"different images, because .* 'cats' and 'dogs'"):
            stats.compare(sides, names=["x", "y"])
    with pytest.warns(UserWarning, match="different images, because .*different indices"):
        stats.compare([cats, later], names=["x", "y"])
    named = [written(name, "cats/test") for name in "ab"]  # as a training names them
    assert stats.compare([cats, named], names=["x", "y"]).attrs["n"] == [2, 2]
    assert stats.compare([cats[0], named[0]]).attrs["paired"]


def test_moments_are_compared_over_seeds(images: torch.Tensor, tmp_path: Path) -> None:
    paths = []
    for seed in range(4):
        model = stripe.build(
            "resnet8_basic", attention="se", num_classes=4, in_channels=1, seed=seed
        )
        stripe.record(model, [images], tmp_path / str(seed), values=False, progress=False)
        paths.append(tmp_path / str(seed))
    table = stats.compare([paths[:2], paths[2:]])
    assert table[["low", "high"]].notna().all(axis=None)
    with pytest.warns(UserWarning, match="no intervals over images, .* moments only"):
        assert stats.compare(paths[:2])["low"].isna().all()
