"""Images in a folder, of any size and format, resized for a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms import v2

from stripe.data.image_file import ImageReader
from stripe.data.sample import sample
from stripe.data.splits import class_names
from stripe.errors import DataError
from stripe.typed import typed

#: Mean and standard deviation of ImageNet, in RGB.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@typed
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
    skip_broken: bool = False,
) -> Dataset[Any]:
    """Open a folder of images, which are resized, cropped in the centre and normalised.

    Parameters
    ----------
    path
        A folder with one folder per class, labelled in alphabetical order, or a folder of images
        without labels.
    size
        Height and width of the images for the network, in pixels.
    mean, std
        Mean and standard deviation per channel, for images scaled to [0, 1]: three numbers for
        colour images, or one number for grey images. All images are converted to colour or to grey.
    crop
        Share of one side of the resized image that the central crop keeps, above 0 and at most 1.
        An image is resized, with its aspect ratio kept, until it just covers `size / crop`. For
        square crops, its shorter side is then `size / crop`, and the central crop of `size` keeps
        the share `crop` of that side.
    interpolation
        Interpolation for resizing, with torchvision's names: "bicubic", "bilinear" and so on.
    limit
        Largest number of images. If there are more, a random sample is used, in the order of the
        folder. Default: all images.
    seed
        Seed of the random sample.
    skip_broken
        First decode every image, and skip those that cannot be read. If False, such an image raises
        a `DataError` when it is read.

    Returns
    -------
    Dataset
        Items are (image, label), or images alone for a folder without labels. An image is (C, H, W)
        in float32. The attribute `broken` lists the skipped files. If `limit` leaves images out,
        the result is a `Subset`, and the list is in its `dataset.broken`.

    Raises
    ------
    DataError
        In one of these cases:

        - the folder does not exist, contains no readable image, or contains both images and class
          folders;
        - it contains splits of a data set (train, val or test) instead of classes;
        - `mean`, `std`, `crop` or `interpolation` has an invalid value.

    Notes
    -----
    An image of more than 67 million pixels, as decoded or after resizing, raises a `DataError` when
    it is read. A JPEG file that is at least four times as high and wide as needed is decoded at a
    half, a quarter or an eighth of its size. The decoded image is still at least twice as high and
    wide as needed.

    Examples
    --------
    >>> photos = stripe.data.image_folder("photos", size=(48, 192), mean=[0.5] * 3, std=[0.5] * 3)
    >>> photos[0].shape
    torch.Size([3, 48, 192])
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise DataError(
            f"images must be a folder, and {root} is not one; give a folder of image files"
        )
    if len(mean) != len(std) or len(mean) not in (1, 3):
        raise DataError(
            f"mean and std hold 1 or 3 numbers, one per channel, got {len(mean)} and {len(std)}"
        )
    if not 0 < crop <= 1:
        raise DataError(f"crop must be above 0 and at most 1, got {crop:g}")
    ways = [mode.value for mode in v2.InterpolationMode]
    if interpolation not in ways:
        raise DataError(f"interpolation is one of {', '.join(ways)}, got {interpolation!r}")
    covered = _Cover(round(size[0] / crop), round(size[1] / crop), interpolation)
    reader = ImageReader((covered.height, covered.width))
    transform = v2.Compose([
        v2.PILToTensor(),
        *([v2.Grayscale()] if len(mean) == 1 else []),
        covered,
        v2.CenterCrop(size),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(list(mean), list(std)),
    ])  # fmt: skip
    data: Any = _open(root, transform, reader, skip_broken)
    if limit is None or len(data) <= limit:
        whole: Dataset[Any] = data
        return whole
    return Subset(data, sample(len(data), limit, seed).tolist())


class ClassFolders(ImageFolder):  # type: ignore[misc]  # torchvision has no types
    """A folder of class folders. A damaged image raises an error that names its file.

    Parameters
    ----------
    root
        The folder.
    transform
        The preprocessing of each image.
    reader
        Reader of image files.
    skip_broken
        Leave out the images that cannot be read.

    Attributes
    ----------
    broken
        The files that were left out.
    """

    samples: list[tuple[str, int]]

    def __init__(
        self, root: Path, transform: v2.Compose, reader: ImageReader, skip_broken: bool = False
    ) -> None:
        class_names(root)  # refuses splits
        try:
            super().__init__(str(root), transform, loader=reader)
        except FileNotFoundError as error:
            raise DataError(f"each class folder must hold images: {error}") from None
        found = self.samples
        self.broken = reader.broken(path for path, _ in found) if skip_broken else []
        left_out = set(self.broken)
        self.samples = [sample for sample in found if sample[0] not in left_out]
        self.imgs, self.targets = self.samples, [label for _, label in self.samples]
        _check_any(root, self.samples, self.broken)


def _check_any(root: Path, images: Sequence[object], broken: Sequence[str]) -> None:
    """Raise an error if all images of a folder are broken and are left out."""
    if broken and not images:
        raise DataError(f"{root} holds {len(broken)} images and none can be read; replace them")


def _open(root: Path, transform: v2.Compose, reader: ImageReader, skip_broken: bool) -> Any:
    if class_names(root):
        if loose := [path for path in root.iterdir() if path.suffix.lower() in IMG_EXTENSIONS]:
            raise DataError(
                f"{root} must hold images or class folders, and holds both ({loose[0].name}, and "
                "folders); put the images into a folder of their own"
            )
        return ClassFolders(root, transform, reader, skip_broken)
    return _Flat(root, transform, reader, skip_broken)


@dataclass(frozen=True)
class _Cover:
    """Resize an image, with its aspect ratio kept, until it just covers a height and a width."""

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
    """Images of one folder without class folders, in the order of their names."""

    def __init__(
        self, root: Path, transform: v2.Compose, reader: ImageReader, skip_broken: bool
    ) -> None:
        files = sorted(p for p in root.iterdir() if p.suffix.lower() in IMG_EXTENSIONS)
        if not files:
            raise DataError(
                f"{root} holds no images; give a folder of {', '.join(IMG_EXTENSIONS)} files, or "
                "of one folder per class"
            )
        self.broken = reader.broken(files) if skip_broken else []
        left_out = set(self.broken)
        self.files = [file for file in files if str(file) not in left_out]
        self.transform, self.reader = transform, reader
        _check_any(root, self.files, self.broken)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = self.transform(self.reader(self.files[index]))
        return image
