"""How the images of a command are prepared: size, mean, standard deviation and crop.

`images.py` applies them. The data sets of `stripe.data` have their own mean and crop.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn
from torchvision.transforms import v2

from stripe.data import list_datasets
from stripe.data.folder import IMAGENET_MEAN, IMAGENET_STD
from stripe.data.stream import TEST_CROP
from stripe.errors import DataError
from stripe.modules.feed import tried
from stripe.train import TrainConfig
from stripe.train.run import CONFIG, read_config
from stripe.train.trained import data_shape

#: Largest number of pixels of the images on which a network is tried.
_MOST_TRIED = 1024 * 1024
_INTERPOLATIONS = {mode.value for mode in v2.InterpolationMode}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The preprocessing of images for a network. None stands for the value of the data set.

    Parameters
    ----------
    size
        Height and width in pixels.
    mean, std
        Mean and standard deviation per channel, which normalise images scaled to [0, 1].
    crop
        Share of the resized image that the crop in its centre keeps, above 0 and at most 1.
    interpolation
        Interpolation of resizing; None without resizing.
    """

    size: tuple[int, int] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    crop: float | None
    interpolation: str | None = "bicubic"

    def __str__(self) -> str:
        """Describe the preprocessing in one line."""
        assert self.size is not None
        height, width = self.size
        mean, std = _listed(self.mean or ()), _listed(self.std or ())
        resized = f" ({self.interpolation})" if self.interpolation else ""
        return (
            f"images of {height} x {width} pixels, mean {mean}, std {std}, crop "
            f"{self.crop:.4g}{resized}"
        )


def preprocessing(
    network: nn.Module,
    *,
    run: Path | None = None,
    image_size: int | tuple[int, int] | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    crop: float | None = None,
    data_root: Path | None = None,
) -> Preprocessing:
    """Return the given numbers, and those of the run or the network for the other ones.

    Parameters and errors are those of `stripe.cli.options.images.load_images`.
    """
    _check_scaled("mean", mean)
    _check_scaled("std", std)
    if std is not None and min(std) <= 0:
        raise DataError(f"std must be above 0, got {_listed(std)}")
    if crop is not None and not 0 < crop <= 1:
        raise DataError(f"crop must be above 0 and at most 1, got {crop:g}")
    prepared = _of_run(run, data_root) if run is not None else _of_network(network)
    channels = _channels(prepared, network)
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if size is not None and size[0] * size[1] <= _MOST_TRIED:
        tried(network, (channels, *size), "choose another --image-size")
    return replace(
        prepared,
        size=size or prepared.size,
        mean=_each(mean, channels) or prepared.mean,
        std=_each(std, channels) or prepared.std,
        crop=crop or prepared.crop,
    )


def _check_scaled(name: str, values: tuple[float, ...] | None) -> None:
    """Refuse numbers for pixels from 0 to 255, which would make all images nearly equal."""
    if values is not None and not all(0 <= value <= 1 for value in values):
        raise DataError(
            f"{name} is that of pixels scaled to [0, 1], so from 0 to 1, got {_listed(values)}; "
            "divide that of pixels from 0 to 255 by 255"
        )


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def whole(prepared: Preprocessing, network: nn.Module) -> Preprocessing:
    """Replace missing numbers by those of ImageNet."""
    channels = _channels(prepared, network)
    return replace(
        prepared,
        size=prepared.size or (224, 224),
        mean=prepared.mean or _averaged(IMAGENET_MEAN, channels),
        std=prepared.std or _averaged(IMAGENET_STD, channels),
    )


def image_shape(
    network: nn.Module,
    *,
    run: Path | None = None,
    image_size: tuple[int, int] | None = None,
    data_root: Path | None = None,
) -> tuple[int, int, int]:
    """Return channels, height and width of the images for a network, without any images.

    Parameters
    ----------
    network, run, image_size, data_root
        As for `preprocessing`.
    """
    prepared = preprocessing(network, run=run, image_size=image_size, data_root=data_root)
    height, width = prepared.size or (224, 224)
    return _channels(prepared, network), height, width


def _of_run(run: Path, data_root: Path | None) -> Preprocessing:
    """Return the preprocessing with which a run tested its network."""
    data = data_shape(run, data_root=data_root)
    size = (data.image_size, data.image_size)
    crop = 1.0 if read_config(run / CONFIG, TrainConfig).dataset in list_datasets() else TEST_CROP
    return Preprocessing(
        size=size, mean=data.mean, std=data.std, crop=crop, interpolation="bilinear"
    )


def _of_network(network: nn.Module) -> Preprocessing:
    """Return the preprocessing that a network declares, such as those of timm."""
    said = getattr(network, "pretrained_cfg", None) or {}
    size = tuple(said.get("input_size", ()))[1:]
    channels = _image_channels(network)
    interpolation = str(said.get("interpolation"))
    return Preprocessing(
        size=size if len(size) == 2 else None,
        mean=_averaged(said.get("mean"), channels),
        std=_averaged(said.get("std"), channels),
        crop=said.get("crop_pct") or TEST_CROP,
        interpolation=interpolation if interpolation in _INTERPOLATIONS else "bicubic",
    )


def _averaged(values: Any, channels: int) -> tuple[float, ...] | None:
    """Return numbers per channel. For grey images, average those of red, green and blue."""
    if values is None:
        return None
    values = tuple(float(value) for value in values)
    return (sum(values) / len(values),) if channels == 1 else values


def _each(values: tuple[float, ...] | None, channels: int) -> tuple[float, ...] | None:
    """Repeat one number for every channel."""
    if values is None:
        return None
    if len(values) not in (1, channels):
        raise DataError(
            f"mean and std take one number, or one for each of the {channels} channels, got "
            f"{len(values)}"
        )
    return values * channels if len(values) == 1 else values


def _channels(prepared: Preprocessing, network: nn.Module) -> int:
    """Return the number of channels of the images."""
    return _image_channels(network) if prepared.mean is None else len(prepared.mean)


def _image_channels(network: nn.Module) -> int:
    """Return the number of channels of a network's images: 1 if it declares so, otherwise 3."""
    return 1 if said_channels(network) == 1 else 3


def said_channels(network: nn.Module) -> int | None:
    """Return the number of channels that a network, or its first layer, declares; or None."""
    if isinstance(said := getattr(network, "in_channels", None), int):
        return said
    return next((m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d)), None)
