"""A loader for data that fits on the device, where it shuffles, crops, flips and normalises."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from stripe.data.image_set import ImageSet
from stripe.typed import typed

ImageBatch = tuple[Float[Tensor, "b c h w"], Int64[Tensor, " b"]]


class DeviceLoader:
    """Iterate over batches of normalised images and labels, entirely on the device.

    The images stay on the device as bytes, in N x H x W x C order, and zero-padded with `augment`.
    One gather operation per batch shuffles, crops and flips. Batches have the channels_last layout,
    which makes convolutions fast. Iterating does not wait for the device, except once per pass with
    `shuffle` and `indices`.

    Parameters
    ----------
    dataset
        The images.
    batch_size
        Number of images per batch, over all processes together. The last batch may be smaller.
    device
        Device of the data.
    shuffle
        Draw a new order of the images for every pass.
    augment
        Crop a random window from each zero-padded image, and flip it horizontally with probability
        1/2.
    padding
        Padding on each side for the random crop, in pixels.
    seed
        Seed of the generator that draws orders, crops and flips.
    share
        Rank of this process, and number of processes. All processes draw the same random numbers,
        and each gets its share of every batch. Together they get the batches that a single process
        would get.
    indices
        Also yield the positions of the images in the data set, which identify the rows of a
        recording. The positions are on the host. A shuffled order is copied to the host once per
        pass.
    take
        Positions of the images to use. Default: all images.

    Examples
    --------
    >>> from stripe.data import DeviceLoader, load_dataset
    >>> batches = DeviceLoader(load_dataset("fashion-mini", "test").head(6), 4, indices=True)
    >>> [indices.tolist() for images, labels, indices in batches]
    [[0, 1, 2, 3], [4, 5]]
    """

    @typed
    def __init__(
        self,
        dataset: ImageSet,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        shuffle: bool = False,
        augment: bool = False,
        padding: int = 4,
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
        indices: bool = False,
        take: Int64[Tensor, " taken"] | None = None,
    ) -> None:
        self.dataset = dataset = dataset if take is None else dataset.take(take)
        self.batch_size = batch_size
        self.device = torch.device(device)
        self.shuffle = shuffle
        self.rank, self.processes = share
        self.indices = indices
        self.augment = augment
        self.padding = padding if augment else 0
        positions = torch.arange(len(dataset)) if take is None else take
        self._positions = positions.cpu()
        self.generator = torch.Generator(self.device).manual_seed(seed)
        padded = F.pad(dataset.images, (self.padding,) * 4)
        self._pixels = padded.permute(0, 2, 3, 1).contiguous().to(self.device)  # (N, H, W, C)
        self._labels = dataset.labels.to(self.device)
        mean, std = torch.tensor(dataset.mean), torch.tensor(dataset.std)
        self._scale = (1 / (255 * std)).view(1, -1, 1, 1).to(self.device)
        self._shift = (-mean / std).view(1, -1, 1, 1).to(self.device)

    def __len__(self) -> int:
        """Return the number of batches in a pass."""
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[ImageBatch]:
        """Yield each batch of a pass."""
        count = len(self.dataset)
        order = torch.arange(count, device=self.device)
        positions = self._positions
        if self.shuffle:
            order = torch.randperm(count, generator=self.generator, device=self.device)
            positions = positions[order.cpu()] if self.indices else positions
        batches = order.split(self.batch_size), positions.split(self.batch_size)
        for chosen, at in zip(*batches, strict=True):
            crops = self._crops(len(chosen)) if self.augment else None  # of all, to draw the same
            mine = slice(self.rank, None, self.processes)
            images = self._images(chosen[mine], None if crops is None else crops[:, mine])
            batch = (images, self._labels[chosen[mine]])
            yield (*batch, at[mine]) if self.indices else batch  # type: ignore[misc]

    def _crops(self, count: int) -> Int64[Tensor, "3 b 1"]:
        """Draw, for the crop of each image, its row, whether it is mirrored, and its column."""
        highest = (2 * self.padding + 1, 2, 2 * self.padding + 1)
        draws = [
            torch.randint(high, (count, 1), generator=self.generator, device=self.device)
            for high in highest
        ]
        return torch.stack(draws)

    def _images(
        self, chosen: Int64[Tensor, " b"], crops: Int64[Tensor, "3 b 1"] | None
    ) -> Float[Tensor, "b c h w"]:
        height, width = self.dataset.images.shape[-2:]
        rows = torch.arange(height, device=self.device)
        columns = torch.arange(width, device=self.device)
        if crops is not None:
            down, mirrored, right = crops
            rows = rows + down  # (B, H)
            columns = torch.where(mirrored.bool(), columns.flip(0), columns) + right  # (B, W)
        windows = self._pixels[chosen[:, None, None], rows[..., :, None], columns[..., None, :]]
        images = windows.permute(0, 3, 1, 2).float()  # (B, C, H, W), channels_last
        return images.mul_(self._scale).add_(self._shift)
