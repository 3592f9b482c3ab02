"""Load the images of a command, prepared for its network."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from stripe.cli.options.preprocessing import Preprocessing, preprocessing, said_channels, whole
from stripe.data import DeviceLoader, image_folder, list_datasets, load_dataset
from stripe.data.image_file import count_of_broken
from stripe.data.image_set import ImageSet, with_channels
from stripe.data.splits import split_folder
from stripe.defaults import BATCH_SIZE, DATA_ROOT
from stripe.errors import DataError
from stripe.hooks.mixed import random_order
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules import undisturbed
from stripe.modules.feed import feed
from stripe.outputs.scores import class_scores_or_none
from stripe.registry import nearest
from stripe.train import TrainConfig
from stripe.train.run import CONFIG, read_config


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
    mixed: bool = False,
) -> tuple[Iterable[Any], Preprocessing]:
    """Return a loader of the images that a command line names, and how it prepares them.

    Parameters
    ----------
    images
        A data set of `stripe.data.list_datasets()`, of which the test images are used; imagenet;
        folder:PATH, as for `TrainConfig`; or a folder.
    network
        The network for which the images are prepared.
    run
        The directory of the run that trained the network.
    image_size
        Height and width in pixels; one number for both. Default: the size of the run or of the
        network's own configuration, or else 224. Without a run, images of a data set keep their
        size.
    mean, std
        One number, or one per channel. Default: the values of the run, of the network's own
        configuration or of the data set, or else of ImageNet.
    crop
        Share of the resized image that the centre crop keeps, 0 to 1. Default: 1 for a data set;
        for a folder, the share with which the run was tested or that of the network's own
        configuration, or else 0.875.
    batch_size
        Number of images per batch.
    limit
        Largest number of images. Default: all.
    seed
        Seed of the sample from a folder that holds more than `limit` images.
    data_root
        Folder of the data sets. Default: the folder of the run, or else data.
    skip_broken
        Leave out the images of a folder that cannot be read, and print their number.
    mixed
        Read the images of a folder in a random order, drawn from `seed`, and not class by class.

    Raises
    ------
    DataError
        If there are no such images, or a number is out of range.

    Notes
    -----
    Labels of a folder are left out if it has another number of classes than the network.
    """
    if data_root is None:
        data_root = DATA_ROOT if run is None else read_config(run / CONFIG, TrainConfig).data_root
    prepared = preprocessing(
        network, run=run, image_size=image_size, mean=mean, std=std, crop=crop, data_root=data_root
    )
    if images in list_datasets():
        size = None if run is None and image_size is None else prepared.size
        prepared = replace(prepared, size=size, crop=crop or 1.0)
        data_set, prepared = _as_prepared(_data_set(images, network, data_root, limit), prepared)
        return DeviceLoader(data_set, batch_size), prepared
    prepared = whole(prepared, network)
    sample: Any = {"limit": limit, "seed": seed, "skip_broken": skip_broken}
    data: Any = image_folder(_folder(images, data_root), **vars(prepared), **sample)
    if broken := getattr(data, "dataset", data).broken:
        print(count_of_broken(broken), file=sys.stderr)
    # Folder names are numbered in their order, which has no meaning for another number of classes.
    collate = None if _comparable(network, data) else _without_labels
    if collate is not None:
        print(
            f"the labels of {images} are left out, because the network does not have an output for "
            f"each of its {len(getattr(data, 'dataset', data).classes)} folders",
            file=sys.stderr,
        )
    order = random_order(len(data), seed).tolist() if mixed else None
    return DataLoader(data, batch_size, collate_fn=collate, sampler=order), prepared


def _data_set(name: str, network: nn.Module, root: Path, limit: int | None) -> ImageSet:
    """Return the test images of a data set, with the number of channels of the network."""
    test = load_dataset(name, "test", root=root)
    grey = test if limit is None else test.head(limit)
    if (test := with_channels(grey, said_channels(network))) is not grey:
        print(f"grey images of {name} are repeated as red, green and blue", file=sys.stderr)
    return test


def _as_prepared(test: ImageSet, chosen: Preprocessing) -> tuple[ImageSet, Preprocessing]:
    """Return a prepared data set, and all numbers of the preprocessing."""
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
    """Return the folder of images with a name."""
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
        scores = class_scores_or_none(feed(network, folder[0][0][None]))
    return scores is not None and scores.shape[-1] == len(classes)


def _without_labels(items: list[Any]) -> torch.Tensor:
    return torch.stack([image for image, _ in items])
