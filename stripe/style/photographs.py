"""The photographs to stylise, and the painting."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from stripe.data.photographs import packaged_photograph, read_photograph
from stripe.data.workers import batches_of, outliving_signals, without_workers_traceback
from stripe.errors import DataError
from stripe.modules.seeded import seeded

#: The colour photographs of scikit-image and scikit-learn for style transfer.
SHIPPED = (
    *("skimage/astronaut.png", "skimage/chelsea.png", "skimage/coffee.png", "skimage/rocket.jpg"),
    *("skimage/motorcycle_left.png", "sklearn/china.jpg", "sklearn/flower.jpg"),
)
PAINTING = "skimage/ihc.png"
#: The least share of a photograph that a random crop keeps.
LEAST_CROP = 0.25


class Photographs(Dataset[UInt8[Tensor, "3 h w"]]):
    """Photographs in a folder, at any depth, or those that scikit-image and scikit-learn ship.

    Parameters
    ----------
    folder
        Folder of the files. None: the photographs of scikit-image and scikit-learn.

    Raises
    ------
    DataError
        If the folder does not exist, cannot be read, or holds no image.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is None:
            self.files = [packaged_photograph(file) for file in SHIPPED]
            return
        root = Path(folder).expanduser()
        try:
            if not root.is_dir():
                raise DataError(f"content must be a folder of photographs, and {root} is not one")
            found = [
                Path(at) / name for at, _, names in os.walk(root, onerror=_refuse) for name in names
            ]
        except OSError as error:
            raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
        self.files = sorted(path for path in found if path.suffix.lower() in IMG_EXTENSIONS)
        if not self.files:
            raise DataError(
                f"{root} holds no images; give a folder of {', '.join(IMG_EXTENSIONS)} files"
            )

    def __len__(self) -> int:
        """Return the number of photographs."""
        return len(self.files)

    def __getitem__(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """Return a photograph in its own size."""
        return read_photograph(self.files[index])

    def names(self, count: int) -> list[str]:
        """Return distinct names for the first `count` photographs."""
        stems = [file.stem for file in self.files[:count]]
        if len(set(stems)) == len(stems):
            return stems
        return [f"{number}-{stem}" for number, stem in enumerate(stems)]

    def centred(self, index: int, size: int) -> Float[Tensor, "3 size size"]:
        """Return the central square of a photograph, resized, in [0, 1]."""
        photograph = read_photograph(self.files[index], (size, size))
        return in_unit_range(_centre(photograph, size))

    def batches(
        self, size: int, batch_size: int, steps: range, *, seed: int = 0, workers: int = 0
    ) -> Iterator[UInt8[Tensor, "b 3 h w"]]:
        """Yield random crops (B, 3, size, size) for each step, flipped with probability 1/2.

        The crops of a step depend only on its number and the seed.
        """
        loader = DataLoader(
            _Crops(self, size),
            batch_sampler=_Steps(len(self), batch_size, steps, seed),
            num_workers=workers,
            worker_init_fn=outliving_signals(),
        )
        with without_workers_traceback():
            yield from batches_of(loader)


def read_painting(file: Path | None, size: int) -> Float[Tensor, "3 h w"]:
    """Read the style image in [0, 1], resized to `size` pixels along its shorter side."""
    if file is None:
        path = packaged_photograph(PAINTING)
    else:
        path = file.expanduser()
        if not path.is_file():
            raise DataError(f"style must be an image file, and {path} is not one")
    pixels = read_photograph(path, (size, size))
    return in_unit_range(TF.resize(pixels, [size], antialias=True))


def in_unit_range(pixels: UInt8[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Scale bytes to [0, 1]."""
    return pixels.float().div_(255)


def as_bytes(image: Float[Tensor, "3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Round an image in [0, 1] to bytes, (H, W, 3), for files and plots."""
    rounded: UInt8[np.ndarray, "h w 3"] = (
        image.mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    )
    return rounded


def _centre(pixels: Tensor, size: int) -> Tensor:
    cropped: Tensor = TF.center_crop(TF.resize(pixels, [size], antialias=True), [size])
    return cropped


class _Crops(Dataset[UInt8[Tensor, "3 h w"]]):
    """Random crops, each with its own seed, independent of the process that reads it."""

    def __init__(self, photographs: Photographs, size: int) -> None:
        self.photographs = photographs
        crop = v2.RandomResizedCrop(size, scale=(LEAST_CROP, 1.0), antialias=True)
        self.transform = v2.Compose([crop, v2.RandomHorizontalFlip()])

    def __getitem__(self, drawn: tuple[int, int]) -> UInt8[Tensor, "3 h w"]:
        index, seed = drawn
        with seeded(seed):
            cropped: Tensor = self.transform(self.photographs[index])
        return cropped


class _Steps(Sampler[list[tuple[int, int]]]):
    """The photographs of each step, and the seeds of their crops."""

    def __init__(self, count: int, batch_size: int, steps: Sequence[int], seed: int) -> None:
        self.count, self.batch_size, self.steps, self.seed = count, batch_size, steps, seed

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in self.steps:
            rng = np.random.default_rng((self.seed, step))
            chosen = rng.integers(self.count, size=self.batch_size)
            seeds = rng.integers(2**31, size=self.batch_size)
            yield list(zip(chosen.tolist(), seeds.tolist(), strict=True))


def as_image(file: Path) -> Float[Tensor, "3 h w"]:
    """Read an image file, in [0, 1], rotated by its EXIF orientation."""
    return in_unit_range(read_photograph(file))


def _refuse(error: OSError) -> None:
    raise error
