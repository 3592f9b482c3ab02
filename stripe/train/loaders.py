"""The loaders of a run, and whether its test images are read in mixed order.

Images of ImageNet and of folders are streamed by `data/stream.py`. Other data sets are small, and
`data/device_loader.py` keeps them on the device.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripe.data import DeviceLoader, StreamLoader, load_dataset
from stripe.data.folder import IMAGENET_MEAN, IMAGENET_STD
from stripe.data.sample import sample
from stripe.errors import DataError
from stripe.registry import listed
from stripe.robustness.noise_spec import NoiseSpec
from stripe.train.config import TrainConfig
from stripe.train.processes import Processes
from stripe.train.run import DataShape

EVALUATION_BATCH = 500
Loader = DeviceLoader | StreamLoader


@dataclass(frozen=True)
class Loaders:
    """The data of a run.

    Parameters
    ----------
    train, test
        Batches (images, labels).
    probe
        The images whose gates are recorded, a random sample of those of `test`: batches (images,
        labels, indices).
    dataset
        The name of the probe's data set and split.
    train_images
        Number of training images, over all processes.
    data
        Shape and normalisation of the images, and the number of classes.
    broken
        The files of `train` and `test` that were left out because they cannot be read.
    """

    train: Loader
    test: Loader
    probe: Loader
    dataset: str
    train_images: int
    data: DataShape
    broken: tuple[str, ...] = ()


def open_loaders(config: TrainConfig, processes: Processes) -> Loaders:
    """Open the data set of a run, or raise a `DataError` that says what to fetch."""
    root = streamed_root(config)
    return _on_device(config, processes) if root is None else _streamed(config, processes, root)


def still_training_images(config: TrainConfig, processes: Processes) -> Loader:
    """Return a loader of the training images, in order and without augmentation."""
    root = streamed_root(config)
    if root is not None:
        return StreamLoader(
            root,
            "train",
            config.batch_size,
            size=config.image_size,
            device=processes.device,
            workers=config.workers,
            share=processes.share,
            indices=True,
            limit=config.limit,
            skip_broken=config.skip_broken,
        )
    images = load_dataset(config.dataset, "train", root=config.data_root)
    if config.limit is not None:
        images = images.head(config.limit)
    return DeviceLoader(
        images, EVALUATION_BATCH, device=processes.device, share=processes.share, indices=True
    )


def streamed_root(config: TrainConfig) -> Path | None:
    """Return the folder of a data set that is streamed; None for one kept on the device."""
    kind, colon, path = config.dataset.partition(":")
    if kind == "folder" and colon:
        return Path(path).expanduser()
    return config.data_root.expanduser() / "imagenet" if config.dataset == "imagenet" else None


def _on_device(config: TrainConfig, processes: Processes) -> Loaders:
    where = {"root": config.data_root, "download": config.download}
    train = load_dataset(config.dataset, "train", **where)  # type: ignore[arg-type]
    test = load_dataset(config.dataset, "test", **where)  # type: ignore[arg-type]
    if config.limit is not None:
        train, test = train.head(config.limit), test.head(config.limit)
    device, share = processes.device, processes.share
    return Loaders(
        train=DeviceLoader(
            train,
            config.batch_size,
            device=device,
            shuffle=True,
            augment=True,
            padding=config.padding,
            seed=config.seed,
            share=share,
        ),
        test=DeviceLoader(test, EVALUATION_BATCH, device=device, share=share),
        probe=DeviceLoader(
            test,
            EVALUATION_BATCH,
            device=device,
            share=share,
            indices=True,
            take=sample(len(test), config.record_images),
        ),
        dataset=test.name,
        train_images=len(train),
        data=DataShape(
            len(train.classes), train.images.shape[1], train.images.shape[-1], test.mean, test.std
        ),
    )


def _streamed(config: TrainConfig, processes: Processes, root: Path) -> Loaders:
    def loader(split: str, **options: Any) -> StreamLoader:
        return StreamLoader(
            root,
            split,
            config.batch_size,
            size=config.image_size,
            device=processes.device,
            workers=config.workers,
            seed=config.seed,
            share=processes.share,
            skip_broken=config.skip_broken,
            **options,
        )

    limited: Any = {"limit": config.limit}
    train = loader("train", augment=True, **limited)
    # This noise depends on which images share a batch.
    of_batch = config.noise is not None and NoiseSpec.parse(config.noise).kind == "batch"
    test = loader("test", mixed=of_batch, **limited)
    if train.classes != test.classes:
        differs = sorted(set(train.classes) ^ set(test.classes))
        raise DataError(
            f"the splits of {root} must have the same class folders, and only one of them has "
            f"{listed(differs, 5)}"
        )
    probed = test.positions[sample(test.images, config.record_images)]
    return Loaders(
        train=train,
        test=test,
        probe=loader("test", indices=True, take=probed),
        dataset=f"{config.dataset}/test",
        train_images=train.images,
        data=DataShape(len(train.classes), 3, config.image_size, IMAGENET_MEAN, IMAGENET_STD),
        broken=(*train.broken, *test.broken),
    )
