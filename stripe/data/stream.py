"""A loader for data that does not fit in memory: images are read while the network trains."""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torchvision.transforms import v2

from stripe.data.device_loader import ImageBatch
from stripe.data.folder import IMAGENET_MEAN, IMAGENET_STD, ClassFolders
from stripe.data.image_file import ImageReader
from stripe.data.splits import split_folder
from stripe.data.workers import batches_of, outliving_signals, without_workers_traceback
from stripe.errors import DataError
from stripe.hooks.mixed import random_order
from stripe.modules.seeded import seeded
from stripe.typed import typed

#: The share of the shorter side that the crop of a test image keeps.
TEST_CROP = 0.875
#: The least share of an image that a random crop keeps, which is torchvision's.
LEAST_CROP = 0.08


class StreamLoader:
    """Iterate over batches of images that worker processes read from folders of classes.

    Workers decode and crop the images, and send them as bytes. The device normalises them, in
    channels_last layout. With `augment`, each image is cropped at a random size and position
    (`RandomResizedCrop`), and flipped horizontally with probability 1/2. Without `augment`, the
    shorter side of each image is resized to `size / 0.875`, and the image is cropped in the centre.

    Parameters
    ----------
    root
        Folder of the data set. It contains `train/` and `val/` (or `test/`), with one folder per
        class in each.
    split
        "train" or "test".
    batch_size
        Number of images per batch, over all processes together.
    size
        Height and width of the images for the network, in pixels.
    device
        Device of the batches.
    augment
        Shuffle, crop at random and flip at random.
    workers
        Number of processes that read images. With 0, this process reads them.
    seed
        Seed of orders, crops and flips.
    share
        Rank of this process, and number of processes. Each process gets its share of every batch.
    indices
        Also yield the positions of the images in the data set. The positions are on the host.
    limit
        Largest number of images. If there are more, images that are evenly spaced from the first to
        the last are used, so classes with few images may be left out. Default: all images.
    take
        Positions of the images to use, instead of `limit`.
    skip_broken
        First decode every image, and skip those that cannot be read (listed in the attribute
        `broken`). If False, such an image raises a `DataError` when it is read.
    mixed
        Without `augment`: read the images in a random order instead of class by class. The order is
        the same for every seed.

    Raises
    ------
    DataError
        If there is no such split or folder (the message describes the expected folder), a class
        folder holds no image, or no image can be read. While batches are read: if an image cannot
        be read, or a worker process dies.

    Examples
    --------
    >>> from stripe.data import StreamLoader
    >>> batches = StreamLoader(Path("classes"), "test", batch_size=2, size=32, workers=0)
    >>> images, labels = next(iter(batches))
    >>> images.shape, labels.tolist(), batches.classes
    (torch.Size([2, 3, 32, 32]), [0, 1], ('cat', 'dog'))
    """

    @typed
    def __init__(
        self,
        root: str | Path,
        split: str,
        batch_size: int,
        *,
        size: int = 224,
        device: torch.device | str = "cpu",
        augment: bool = False,
        workers: int = 2,
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
        indices: bool = False,
        limit: int | None = None,
        take: Int64[Tensor, " taken"] | None = None,
        skip_broken: bool = False,
        mixed: bool = False,
    ) -> None:
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.indices = indices
        self.generator = torch.Generator().manual_seed(seed)
        folder, reader = split_folder(Path(root), split), _reader(size, augment)
        self.data: Any = ClassFolders(folder, _transform(size, augment), reader, skip_broken)
        self.broken: list[str] = self.data.broken
        self.classes: tuple[str, ...] = tuple(self.data.classes)
        if take is None:
            count = len(self.data) if limit is None else min(limit, len(self.data))
            take = torch.linspace(0, len(self.data) - 1, count).round().long()
        self.positions = take
        self.images = len(take)
        order = take[random_order(len(take))] if mixed else take
        self._batches = _Batches(order, batch_size, augment, share, self.generator)
        self._open = functools.partial(
            DataLoader,
            _Drawn(self.data),
            batch_sampler=self._batches,
            num_workers=workers,
            collate_fn=_Collate(size),
            worker_init_fn=outliving_signals(),
            pin_memory=self.device.type == "cuda",
            persistent_workers=workers > 0,
            generator=torch.Generator().manual_seed(seed),  # of the workers, which draw nothing
        )
        self._loader = self._open()
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self._scale = (1 / (255 * std)).view(1, -1, 1, 1).to(self.device)
        self._shift = (-mean / std).view(1, -1, 1, 1).to(self.device)

    def __len__(self) -> int:
        """Return the number of batches in a pass."""
        return len(self._batches)

    def __iter__(self) -> Iterator[ImageBatch]:
        """Yield each batch of a pass."""
        for pixels, labels, index in self._read():
            images = pixels.to(self.device, non_blocking=True).float()
            images = images.contiguous(memory_format=torch.channels_last)
            images = images.mul_(self._scale).add_(self._shift)
            batch = (images, labels.to(self.device, non_blocking=True))
            yield (*batch, index) if self.indices else batch  # type: ignore[misc]

    def _read(self) -> Iterator[Any]:
        try:
            with without_workers_traceback():
                yield from batches_of(self._loader)
        except DataError:
            self._loader = (
                self._open()
            )  # whoever keeps the error, and so this frame, keeps no worker
            raise


def _reader(size: int, augment: bool) -> ImageReader:
    """Return a reader of images that keeps them large enough for the smallest crop."""
    side = math.ceil(size / math.sqrt(LEAST_CROP)) if augment else round(size / TEST_CROP)
    return ImageReader((side, side), whole=not augment)


def _transform(size: int, augment: bool) -> v2.Compose:
    if augment:
        crop = v2.RandomResizedCrop(size, (LEAST_CROP, 1.0), antialias=True)
        return v2.Compose([v2.PILToTensor(), crop, v2.RandomHorizontalFlip()])
    side = round(size / TEST_CROP)
    return v2.Compose([v2.PILToTensor(), v2.Resize(side, antialias=True), v2.CenterCrop(size)])


class _Drawn(torch.utils.data.Dataset[tuple[Tensor, int, int]]):
    """Images with their positions, each cropped by its own seed.

    The crop of an image therefore does not depend on the worker or on the order of reading.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, drawn: tuple[int, int]) -> tuple[Tensor, int, int]:
        index, seed = drawn
        with seeded(seed):
            image, label = self.data[index]
        return image, label, index


class _Batches(Sampler[list[tuple[int, int]]]):
    """The shares of one process in all batches. All processes draw the same order and seeds."""

    def __init__(
        self,
        images: Int64[Tensor, " n"],
        batch_size: int,
        shuffle: bool,
        share: tuple[int, int],
        generator: torch.Generator,
    ) -> None:
        self.images, self.batch_size, self.shuffle = images, batch_size, shuffle
        self.rank, self.processes = share
        self.generator = generator

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order, seeds = self.images, torch.zeros_like(self.images)
        if self.shuffle:
            order = order[torch.randperm(len(order), generator=self.generator)]
            seeds = torch.randint(2**31, (len(order),), generator=self.generator)
        pairs = list(zip(order.tolist(), seeds.tolist(), strict=True))
        for start in range(0, len(order), self.batch_size):
            yield pairs[start : start + self.batch_size][self.rank :: self.processes]


@dataclass(frozen=True)
class _Collate:
    """Stack images of one size; a share without images is an empty batch."""

    size: int

    def __call__(self, items: list[tuple[Tensor, int, int]]) -> tuple[Tensor, Tensor, Tensor]:
        images = [image for image, _, _ in items]
        empty = torch.empty((0, 3, self.size, self.size), dtype=torch.uint8)
        labels, indices = ([item[place] for item in items] for place in (1, 2))
        return (
            torch.stack(images) if images else empty,
            torch.tensor(labels, dtype=torch.int64),
            torch.tensor(indices, dtype=torch.int64),
        )
