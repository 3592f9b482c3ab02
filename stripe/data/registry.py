"""The data sets by name, and the decorator with which a file such as fashion_mini.py adds one."""

from collections.abc import Callable
from pathlib import Path

from stripe.data.image_set import ImageSet
from stripe.data.splits import check_split
from stripe.defaults import DATA_ROOT
from stripe.errors import UnknownNameError
from stripe.registry import Registry
from stripe.typed import typed

#: Loaders by name: `loader(split, root, download) -> ImageSet`.
DATASETS: Registry[Callable[[str, Path, bool], ImageSet]] = Registry("stripe.data", "data set")


def list_datasets() -> list[str]:
    """Return the sorted names of the data sets.

    Examples
    --------
    >>> "cifar100" in stripe.data.list_datasets()
    True
    """
    return DATASETS.names()


@typed
def load_dataset(
    name: str, split: str, *, root: str | Path = DATA_ROOT, download: bool = False
) -> ImageSet:
    """Load one split of a data set.

    Parameters
    ----------
    name
        A name from `list_datasets()`.
    split
        "train" or "test".
    root
        Folder that holds the data sets, each in a folder with the name that torchvision expects. It
        is not used for fashion-mini, which is bundled, or for photo-patches, which is made from the
        photographs of scikit-image and scikit-learn (extra `style`).
    download
        Let torchvision download missing files to `root`.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    DataError
        If there is no such split, the files are missing or damaged, or the installed packages do
        not contain the photographs of photo-patches.

    Examples
    --------
    >>> images = stripe.data.load_dataset("fashion-mini", "test")
    >>> len(images)
    2000
    """
    check_split(split)
    try:
        loader = DATASETS[name]
    except UnknownNameError as error:
        if not Path(name).is_dir():
            raise
        raise UnknownNameError(
            f"{error}; a folder of images is folder:{name} for a training, and "
            f"stripe.data.image_folder({name!r}) in Python"
        ) from error
    images: ImageSet = loader(split, Path(root).expanduser(), download)
    return images
