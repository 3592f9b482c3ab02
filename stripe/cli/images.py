"""Load the images of a command, prepared for its network."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from stripe.data import DeviceLoader, image_folder, list_datasets, load_dataset
from stripe.data.folder import IMAGENET_MEAN, IMAGENET_STD
from stripe.data.image_file import count_of_broken
from stripe.data.image_set import ImageSet, with_channels
from stripe.data.splits import split_folder
from stripe.data.stream import TEST_CROP
from stripe.defaults import BATCH_SIZE, DATA_ROOT
from stripe.errors import DataError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules import undisturbed
from stripe.registry import nearest
from stripe.train import TrainConfig
from stripe.train.run import CONFIG, read_config
from stripe.train.trained import data_shape

_INTERPOLATIONS = {mode.value for mode in v2.InterpolationMode}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The preprocessing of images for a network; None stands for the value of their data set.

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
        """Say all of it in a line."""
        assert self.size is not None
        height, width = self.size
        mean, std = (", ".join(f"{v:.4g}" for v in some or ()) for some in (self.mean, self.std))
        resized = f" ({self.interpolation})" if self.interpolation else ""
        return (
            f"images of {height} x {width} pixels, mean {mean}, std {std}, crop "
            f"{self.crop:.4g}{resized}"
        )


def load_images(
    images: str,
    network: nn.Module,
    *,
    run: Path | None = None,
    image_size: int | tuple[int, int] | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    crop: float | None = None,
    batch_size: int = BATCH_SIZE,
    limit: int | None = None,
    seed: int = 0,
    data_root: Path | None = None,
    skip_broken: bool = False,
) -> tuple[Iterable[Any], Preprocessing]:
    """Return a loader of the images that a command line names, and how it prepares them.

    Parameters
    ----------
    images
        A data set of `stripe.data.list_datasets()`, whose test images are taken; imagenet;
        folder:PATH, as for `TrainConfig`; or a folder.
    network
        The network that takes them.
    run
        The directory of the run that trained the network.
    image_size
        Side in pixels, or height and width. Default: that of the run or of the network's own
        configuration, or else 224. Without a run, images of a data set keep their size.
    mean, std
        One number, or one per channel. Default: those of the run, of the network's own
        configuration or of the data set, or else ImageNet's.
    crop
        Share of the resized image that the centre crop keeps, 0 to 1. Default: 1 for a data set;
        for a folder, the share with which the run was tested, that of the network's own
        configuration, or else 0.875.
    batch_size
        Images per batch.
    limit
        Largest number of images. Default: all.
    seed
        Seed of the sample from a folder that holds more than `limit` images.
    data_root
        Folder of the data sets. Default: that of the run, or else data.
    skip_broken
        Leave out the images of a folder that cannot be read, and count them on standard error.

    Raises
    ------
    DataError
        If there are no such images, or a number is out of range.

    Notes
    -----
    Labels of a folder are left out if it has another number of classes than the network.
    """
    prepared = _of_run(run, data_root) if run is not None else _of_network(network)
    channels = _channels(network) if prepared.mean is None else len(prepared.mean)
    if isinstance(image_size, int):
        image_size = (image_size, image_size)
    if std is not None and min(std) <= 0:
        raise DataError(f"std must be above 0, got {std}")
    if crop is not None and not 0 < crop <= 1:
        raise DataError(f"crop must be above 0 and at most 1, got {crop:g}")
    chosen = replace(
        prepared,
        size=image_size or prepared.size,
        mean=_each(mean, channels) or prepared.mean,
        std=_each(std, channels) or prepared.std,
        crop=crop or prepared.crop,
    )
    if data_root is None:
        data_root = DATA_ROOT if run is None else read_config(run / CONFIG, TrainConfig).data_root
    if images in list_datasets():
        keeps_size = run is None and image_size is None
        test = load_dataset(images, "test", root=data_root)
        grey = test if limit is None else test.head(limit)
        if (test := with_channels(grey, _said_channels(network))) is not grey:
            print(f"grey images of {images} are repeated as red, green and blue", file=sys.stderr)
        size = None if keeps_size else chosen.size
        test, chosen = _as_prepared(test, replace(chosen, size=size, crop=crop or 1.0))
        return DeviceLoader(test, batch_size), chosen
    chosen = _whole(chosen, channels)
    data: Any = image_folder(
        _folder(images, data_root),
        **vars(chosen),
        limit=limit,
        seed=seed,
        skip_broken=skip_broken,
    )
    if broken := getattr(data, "dataset", data).broken:
        print(count_of_broken(broken), file=sys.stderr)
    # Folder names are numbered in their order, which has no meaning for another number of classes.
    collate = None if _comparable(network, data) else _without_labels
    return DataLoader(data, batch_size, collate_fn=collate), chosen


def image_shape(
    network: nn.Module,
    *,
    run: Path | None = None,
    image_size: tuple[int, int] | None = None,
    data_root: Path | None = None,
) -> tuple[int, int, int]:
    """Return channels, height and width of the images that a network takes, without any images.

    Parameters
    ----------
    network, run, image_size, data_root
        As for `load_images`.
    """
    prepared = _of_run(run, data_root) if run is not None else _of_network(network)
    channels = _channels(network) if prepared.mean is None else len(prepared.mean)
    height, width = image_size or prepared.size or (224, 224)
    return channels, height, width


def _of_run(run: Path, data_root: Path | None) -> Preprocessing:
    """Return how a run tested its network: on whole images of a data set, or cropped ones."""
    data = data_shape(run, data_root=data_root)
    size = (data.image_size, data.image_size)
    crop = 1.0 if read_config(run / CONFIG, TrainConfig).dataset in list_datasets() else TEST_CROP
    return Preprocessing(
        size=size, mean=data.mean, std=data.std, crop=crop, interpolation="bilinear"
    )


def _of_network(network: nn.Module) -> Preprocessing:
    """Return the preprocessing that a network declares, as those of timm do."""
    said = getattr(network, "pretrained_cfg", None) or {}
    size = tuple(said.get("input_size", ()))[1:]
    interpolation = str(said.get("interpolation"))
    return Preprocessing(
        size=size if len(size) == 2 else None,
        mean=_averaged(said.get("mean"), _channels(network)),
        std=_averaged(said.get("std"), _channels(network)),
        crop=said.get("crop_pct") or TEST_CROP,
        interpolation=interpolation if interpolation in _INTERPOLATIONS else "bicubic",
    )


def _whole(chosen: Preprocessing, channels: int) -> Preprocessing:
    """Fill in ImageNet's numbers where none are given."""
    return replace(
        chosen,
        size=chosen.size or (224, 224),
        mean=chosen.mean or _averaged(IMAGENET_MEAN, channels),
        std=chosen.std or _averaged(IMAGENET_STD, channels),
    )


def _averaged(values: Any, channels: int) -> tuple[float, ...] | None:
    """Return numbers per channel; of a grey image the mean of those of red, green and blue."""
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


def _channels(network: nn.Module) -> int:
    """Return the number of channels of a network's images: 1 if it declares so, otherwise 3."""
    return 1 if _said_channels(network) == 1 else 3


def _said_channels(network: nn.Module) -> int | None:
    """Return the number of channels that a network, or its first layer, declares; or None."""
    if isinstance(said := getattr(network, "in_channels", None), int):
        return said
    return next((m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d)), None)


def _as_prepared(test: ImageSet, chosen: Preprocessing) -> tuple[ImageSet, Preprocessing]:
    """Return a data set as it was chosen, and all numbers that it is prepared with."""
    mean, std = (
        theirs if ours is None or len(ours) != test.images.shape[1] else ours
        for ours, theirs in ((chosen.mean, test.mean), (chosen.std, test.std))
    )
    whole: list[int] = list(test.images.shape[-2:])
    size = list(chosen.size or whole)
    assert chosen.crop is not None
    resized = [round(side / chosen.crop) for side in size]
    images = test.images
    if resized != whole:
        images = v2.functional.resize(images, resized, antialias=True)
    if resized != size:
        images = v2.functional.center_crop(images, size)
    test = replace(test, images=images, mean=mean, std=std)
    how = None if resized == whole else "bilinear"
    return test, replace(chosen, size=(size[0], size[1]), mean=mean, std=std, interpolation=how)


def _folder(images: str, root: Path) -> Path:
    """Return the folder of images that a name means."""
    if images == "imagenet" and not Path(images).is_dir():
        return split_folder(root.expanduser() / "imagenet", "test")
    if images.startswith("folder:"):  # the data set of a run
        return split_folder(Path(images.removeprefix("folder:")).expanduser(), "test")
    if not (folder := Path(images).expanduser()).is_dir():
        names = [*list_datasets(), "imagenet"]
        raise DataError(
            f"images must be a folder, and {images} is not one; {nearest(images, names)}give a "
            f"folder of images, folder:PATH or a data set: {', '.join(names)}"
        )
    return folder


def _comparable(network: nn.Module, folder: Any) -> bool:
    """Tell whether the labels of a folder can be the classes of a network, by their number."""
    classes = getattr(getattr(folder, "dataset", folder), "classes", None)
    if classes is None:
        return True
    with interrupts_held(), undisturbed(network), interrupts_allowed():
        scores = network(folder[0][0][None])
    return isinstance(scores, torch.Tensor) and scores.shape[-1] == len(classes)


def _without_labels(items: list[Any]) -> torch.Tensor:
    return torch.stack([image for image, _ in items])
