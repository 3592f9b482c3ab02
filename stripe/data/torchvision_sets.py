"""The small data sets that torchvision reads: CIFAR, STL10, Fashion-MNIST."""

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision import datasets

from stripe.data.image_set import ImageSet
from stripe.data.registry import DATASETS
from stripe.errors import DataError

#: Where Debian's package dataset-fashion-mnist puts its files.
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
#: Mean of CIFAR-10, and mean of the standard deviations of its images. The script of the paper's
#: authors normalises both CIFARs with these values.
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
#: No file of Fashion-MNIST is larger.
_MOST_BYTES = 1 << 26
_FASHION_FILES = (
    *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


@DATASETS.register("cifar10")
def cifar10(split: str, root: Path, download: bool) -> ImageSet:
    """Load CIFAR-10: 50,000 and 10,000 images of 32 x 32 in 10 classes."""
    data = _read(
        lambda: datasets.CIFAR10(str(root), train=split == "train", download=download),
        f"cifar-10-python.tar.gz from https://www.cs.toronto.edu/~kriz, unpacked to "
        f"{root / 'cifar-10-batches-py'}",
    )
    return _channels_last(f"cifar10/{split}", data)


@DATASETS.register("cifar100")
def cifar100(split: str, root: Path, download: bool) -> ImageSet:
    """Load CIFAR-100: 50,000 and 10,000 images of 32 x 32 in 100 classes."""
    data = _read(
        lambda: datasets.CIFAR100(str(root), train=split == "train", download=download),
        f"cifar-100-python.tar.gz from https://www.cs.toronto.edu/~kriz, unpacked to "
        f"{root / 'cifar-100-python'}",
    )
    return _channels_last(f"cifar100/{split}", data)


@DATASETS.register("stl10")
def stl10(split: str, root: Path, download: bool) -> ImageSet:
    """Load the labelled part of STL10: 5,000 and 8,000 images of 96 x 96 in 10 classes."""
    data = _read(
        lambda: datasets.STL10(str(root), split=split, download=download),
        f"stl10_binary.tar.gz from https://cs.stanford.edu/~acoates/stl10, unpacked to "
        f"{root / 'stl10_binary'}",
    )
    return ImageSet(
        name=f"stl10/{split}",
        images=torch.from_numpy(np.ascontiguousarray(data.data)),  # (N, C, H, W)
        labels=torch.as_tensor(np.asarray(data.labels), dtype=torch.int64),
        classes=tuple(data.classes),
        mean=(0.4467, 0.4398, 0.4066),
        std=(0.2603, 0.2566, 0.2713),
    )


@DATASETS.register("fashion_mnist", "fashion-mnist")
def fashion_mnist(split: str, root: Path, download: bool) -> ImageSet:
    """Load Fashion-MNIST whole: 60,000 and 10,000 grey images of 28 x 28 in 10 classes."""
    raw = root / "FashionMNIST" / "raw"
    if not download and not all((raw / name).exists() for name in _FASHION_FILES):
        _unpack(raw)
    data = _read(
        lambda: datasets.FashionMNIST(str(root), train=split == "train", download=download),
        f"the four files of https://github.com/zalandoresearch/fashion-mnist to {raw}, or install "
        "Debian's package dataset-fashion-mnist",
    )
    return ImageSet(
        name=f"fashion_mnist/{split}",
        images=data.data[:, None],
        labels=data.targets.long(),
        classes=tuple(data.classes),
        mean=(0.2860,),
        std=(0.3530,),
    )


def _unpack(raw: Path) -> None:
    """Unpack the archives in `raw`, or those of Debian, to the files that torchvision reads."""
    for folder in (raw, DEBIAN_FASHION):
        archives = [folder / f"{name}.gz" for name in _FASHION_FILES]
        if all(archive.is_file() for archive in archives):
            break
    else:
        return
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for archive in archives:
            draft = raw / f"{archive.stem}.{os.getpid()}.draft"  # others may unpack as well
            with gzip.open(archive) as packed:
                content = packed.read(_MOST_BYTES + 1)
            if len(content) > _MOST_BYTES:
                raise OSError(f"it unpacks to more than {_MOST_BYTES} bytes")
            draft.write_bytes(content)
            draft.replace(raw / archive.stem)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{archive} cannot be unpacked to {raw}: {error}; fetch it again"
        ) from error


def _channels_last(name: str, data: Any) -> ImageSet:
    """Take a CIFAR data set, which torchvision holds as (N, H, W, C)."""
    return ImageSet(
        name=name,
        images=torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(),
        labels=torch.tensor(data.targets, dtype=torch.int64),
        classes=tuple(data.classes),
        mean=CIFAR_MEAN,
        std=CIFAR_STD,
    )


def _read(read: Callable[[], Any], fetch: str) -> Any:
    """Let torchvision read a data set. If it fails, the error says what to fetch, and to where."""
    try:
        return read()
    except Exception as error:  # RuntimeError where files are missing, anything where damaged
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(" You can")[0]
        raise DataError(
            f"the data set is missing or damaged ({reason.rstrip('.')}); fetch {fetch}, or let "
            "--download do it"
        ) from error
