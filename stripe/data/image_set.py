"""Labelled images in memory."""

from dataclasses import dataclass, replace

from jaxtyping import Int64, UInt8
from torch import Tensor

from stripe.errors import DataError


@dataclass(frozen=True)
class ImageSet:
    """Labelled images as bytes, with the mean and standard deviation that normalise them.

    Parameters
    ----------
    name
        Name of the data set and the split, such as "fashion-mini/test".
    images
        Shape (N, C, H, W), uint8, 0 to 255.
    labels
        Shape (N,), int64.
    classes
        Names of the classes, by label.
    mean, std
        Mean and standard deviation per channel, for images scaled to [0, 1]; usually those of the
        training images.

    Examples
    --------
    >>> test = stripe.data.load_dataset("fashion-mini", "test")
    >>> len(test), test.images.shape[1:], test.classes[test.labels[0]] in test.classes
    (2000, torch.Size([1, 28, 28]), True)
    >>> len(test.head(10))
    10
    """

    name: str
    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def take(self, positions: Int64[Tensor, " taken"]) -> "ImageSet":
        """Return the images at `positions`, in the given order."""
        return replace(self, images=self.images[positions], labels=self.labels[positions])

    def head(self, count: int) -> "ImageSet":
        """Return the first `count` images, or all of them if there are fewer."""
        return replace(self, images=self.images[:count], labels=self.labels[:count])


def with_channels(images: ImageSet, channels: int | None) -> ImageSet:
    """Return images with `channels` channels: grey images get equal red, green and blue.

    Raises
    ------
    DataError
        If the images cannot be given this number of channels.
    """
    have = images.images.shape[1]
    if channels is None or channels == have:
        return images
    if (have, channels) != (1, 3):
        raise DataError(
            f"the network takes images of {channels} channels and those of {images.name} have "
            f"{have}; choose another data set, or a network for {have}"
        )
    repeated = images.images.expand(-1, 3, -1, -1).contiguous()
    return replace(images, images=repeated, mean=images.mean * 3, std=images.std * 3)
