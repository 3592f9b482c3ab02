"""Each data set from files in its own format, through torchvision's own reader."""

import gzip
import hashlib
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets

from stripe.data import load_dataset, torchvision_sets
from stripe.errors import DataError

RNG = np.random.default_rng(0)


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch, classes: int) -> np.ndarray:
    """Write batches as the Toronto archive holds them, and give torchvision their checksums."""
    reader: Any = datasets.CIFAR10 if classes == 10 else datasets.CIFAR100
    folder = root / reader.base_folder
    folder.mkdir(parents=True)
    key = "labels" if classes == 10 else "fine_labels"
    pixels = RNG.integers(0, 256, (4, 3072), dtype=np.uint8)
    sums: dict[str, list[list[str]]] = {"train_list": [], "test_list": []}
    for which, listed in sums.items():
        for name, _ in getattr(reader, which):
            batch = {"data": pixels, key: [0, 3, classes - 1, 1]}
            (folder / name).write_bytes(pickle.dumps(batch))
            listed.append([name, hashlib.md5((folder / name).read_bytes()).hexdigest()])
        monkeypatch.setattr(reader, which, listed)
    names = {reader.meta["key"]: [f"class {number}" for number in range(classes)]}
    meta = folder / reader.meta["filename"]
    meta.write_bytes(pickle.dumps(names))
    md5 = hashlib.md5(meta.read_bytes()).hexdigest()
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": md5})
    return pixels


@pytest.mark.parametrize(("name", "classes", "files"), [("cifar10", 10, 5), ("cifar100", 100, 1)])
def test_cifar(
    name: str, classes: int, files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = write_cifar(tmp_path, monkeypatch, classes)
    train = load_dataset(name, "train", root=tmp_path)
    assert train.images.shape == (4 * files, 3, 32, 32)
    np.testing.assert_array_equal(train.images[:4].flatten(1).numpy(), pixels)
    assert train.labels[:4].tolist() == [0, 3, classes - 1, 1]
    assert train.classes[3] == "class 3"
    assert load_dataset(name, "test", root=tmp_path).images.shape == (4, 3, 32, 32)
    # Both by CIFAR-10's numbers, as the authors' script has them.
    assert train.mean == (0.4914, 0.4822, 0.4465)
    assert train.std == (0.2023, 0.1994, 0.2010)


def write_stl(root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    reader: Any = datasets.STL10
    folder = root / reader.base_folder
    folder.mkdir(parents=True)
    pixels = RNG.integers(0, 256, (3, 3, 96, 96), dtype=np.uint8)
    sums: dict[str, list[list[str]]] = {}
    for which in ("train_list", "test_list"):
        sums[which] = []
        for name, _ in getattr(reader, which):
            # Column by column on disk, and labels from 1.
            written = (
                pixels.transpose(0, 1, 3, 2) if "X" in name else np.array([1, 5, 10], np.uint8)
            )
            (folder / name).write_bytes(written.tobytes())
            sums[which].append([name, hashlib.md5((folder / name).read_bytes()).hexdigest()])
        monkeypatch.setattr(reader, which, sums[which])
    (folder / "class_names.txt").write_text("\n".join(f"class {number}" for number in range(10)))
    (folder / "fold_indices.txt").write_text("0 1\n")
    return pixels


def test_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = write_stl(tmp_path, monkeypatch)
    for split in ("train", "test"):
        found = load_dataset("stl10", split, root=tmp_path)
        np.testing.assert_array_equal(found.images.numpy(), pixels)
        assert found.labels.tolist() == [0, 4, 9]
        assert found.classes[4] == "class 4"


def test_fashion_mnist_from_idx_files(fashion: Path) -> None:
    train, test = (
        load_dataset("fashion_mnist", split, root=fashion) for split in ("train", "test")
    )
    assert train.images.shape == (160, 1, 28, 28)
    assert test.labels[:12].tolist() == [*range(10), 0, 1]
    assert abs(float(train.images[5].float().mean()) - (5 * 23 + 9.5)) < 1


def test_fashion_mnist_from_debians_archives(
    fashion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian = tmp_path / "debian"
    debian.mkdir()
    for file in (fashion / "FashionMNIST/raw").iterdir():
        (debian / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    monkeypatch.setattr(torchvision_sets, "DEBIAN_FASHION", debian)
    again = load_dataset("fashion_mnist", "train", root=tmp_path / "new")
    assert torch.equal(again.images, load_dataset("fashion_mnist", "train", root=fashion).images)
    archive = debian / "t10k-labels-idx1-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:20])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz cannot be unpacked"):
        load_dataset("fashion_mnist", "train", root=tmp_path / "other")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
        ("stl10", "stl10_binary"),
        ("fashion_mnist", "FashionMNIST/raw"),
    ],
)
def test_missing_data_says_what_to_fetch_and_where_to(
    name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision_sets, "DEBIAN_FASHION", tmp_path / "nowhere")
    with pytest.raises(DataError, match="missing or damaged") as caught:
        load_dataset(name, "train", root=tmp_path)
    said = str(caught.value)
    assert str(tmp_path / place) in said
    assert "https://" in said
    assert "\n" not in said


def test_damaged_data_is_refused(
    fashion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path, monkeypatch, 10)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    batch.write_bytes(batch.read_bytes()[:-1] + b"x")  # not what its checksum says
    with pytest.raises(DataError, match="missing or damaged"):
        load_dataset("cifar10", "train", root=tmp_path)
    images = fashion / "FashionMNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:5000])
    with pytest.raises(DataError, match="missing or damaged"):
        load_dataset("fashion_mnist", "train", root=fashion)
    shutil.rmtree(fashion)


def test_what_another_process_has_begun_to_unpack_is_finished(
    fashion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file is there, and a draft of the second, as a process beside leaves them."""
    debian, root = tmp_path / "debian", tmp_path / "data"
    debian.mkdir()
    for file in (fashion / "FashionMNIST" / "raw").iterdir():
        (debian / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    monkeypatch.setattr(torchvision_sets, "DEBIAN_FASHION", debian)
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    first = "train-images-idx3-ubyte"
    (raw / first).write_bytes(gzip.decompress((debian / f"{first}.gz").read_bytes()))
    draft = raw / "train-labels-idx1-ubyte.1.draft"
    draft.write_bytes(b"half")
    assert len(load_dataset("fashion_mnist", "train", root=root)) == 160
    assert draft.read_bytes() == b"half"
