"""Images in a folder, of any size and format, brought to the size that a network takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS, default_loader
from torchvision.transforms import v2

from stripe.data.sample import sample
from stripe.errors import DataError

#: Of ImageNet, in RGB.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def image_folder(
    path: str | Path,
    size: tuple[int, int] = (224, 224),
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    crop: float = 0.875,
    interpolation: str = "bicubic",
    limit: int | None = None,
    seed: int = 0,
) -> Dataset[Any]:
    """Open a folder of images: resized, cropped in the centre and normalised.

    Parameters
    ----------
    path
        A folder of class folders, whose names in alphabetical order are the labels; or a folder of
        images without labels.
    size
        Height and width that the network takes.
    mean, std
        Per channel, by which images scaled to [0, 1] are normalised; one number for grey images.
    crop
        Share of the height and the width of the resized image that the crop keeps. An image is
        resized in proportion, until it covers what is cropped.
    interpolation
        Of resizing, as torchvision calls it: "bicubic", "bilinear" and so on.
    limit
        Take at most so many images, drawn at random; they keep their order.
    seed
        Of that draw.

    Returns
    -------
    Dataset
        Of (image, label), or of images; an image is (C, H, W) in float32.

    Raises
    ------
    DataError
        If there is no such folder, or no image in it.

    Examples
    --------
    >>> photos = stripe.data.image_folder("photos", size=(48, 192), mean=[0.5] * 3, std=[0.5] * 3)
    >>> photos[0].shape
    torch.Size([3, 48, 192])
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"images must be a folder, and {root} is none; give one of image files")
    if len(mean) != len(std) or len(mean) not in (1, 3):
        raise DataError(
            f"mean and std hold 1 or 3 numbers, one per channel, got {len(mean)} and {len(std)}"
        )
    covered = _Cover(round(size[0] / crop), round(size[1] / crop), interpolation)
    transform = v2.Compose([
        v2.PILToTensor(),
        *([v2.Grayscale()] if len(mean) == 1 else []),
        covered,
        v2.CenterCrop(size),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(list(mean), list(std)),
    ])  # fmt: skip
    data: Any = _open(root, transform)
    if limit is None or len(data) <= limit:
        whole: Dataset[Any] = data
        return whole
    return Subset(data, sample(len(data), limit, seed).tolist())


def class_folders(root: Path, transform: v2.Compose) -> ImageFolder:
    """Open a folder of class folders; a damaged image is an error that names its file."""
    try:
        return ImageFolder(str(root), transform, loader=_read)
    except FileNotFoundError as error:
        raise DataError(f"each class folder must hold images: {error}") from None


def _open(root: Path, transform: v2.Compose) -> Any:
    if any(path.is_dir() and not path.name.startswith(".") for path in root.iterdir()):
        if loose := [path for path in root.iterdir() if path.suffix.lower() in IMG_EXTENSIONS]:
            raise DataError(
                f"{root} must hold images or class folders, and holds both ({loose[0].name}, and "
                "folders); put the images into a folder of their own"
            )
        return class_folders(root, transform)
    return _Flat(root, transform)


@dataclass(frozen=True)
class _Cover:
    """Resize an image in proportion, so that it covers a height and a width and no more."""

    height: int
    width: int
    interpolation: str

    def __call__(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if height * self.width <= width * self.height:
            size = [self.height, max(self.width, int(self.height * width / height))]
        else:
            size = [max(self.height, int(self.width * height / width)), self.width]
        mode = v2.InterpolationMode(self.interpolation)
        resized: Tensor = v2.functional.resize(image, size, interpolation=mode, antialias=True)
        return resized


class _Flat(Dataset[Tensor]):
    """Images side by side in one folder, in the order of their names."""

    def __init__(self, root: Path, transform: v2.Compose) -> None:
        self.files = sorted(p for p in root.iterdir() if p.suffix.lower() in IMG_EXTENSIONS)
        self.transform = transform
        if not self.files:
            raise DataError(
                f"{root} holds no images; give a folder of {', '.join(IMG_EXTENSIONS)} files, or "
                "of one folder per class"
            )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = self.transform(_read(str(self.files[index])))
        return image


def _read(path: str) -> Any:
    try:
        return default_loader(path)
    except Exception as error:  # a damaged file raises whatever its decoder trips over
        raise DataError(f"{path} cannot be read as an image; remove or replace it") from error
