"""The recorded images of a folder, by their index in the recording."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from stripe.data.folder import image_folder
from stripe.data.splits import split_folder
from stripe.errors import DataError
from stripe.recording import Recording

#: Height and width of the images, from which thumbnails are made.
_SIZE = (96, 96)


class RecordedFolder(Dataset[Tensor]):
    """The images of a folder, numbered by their indices in a recording.

    `stripe record --limit` draws images from a folder at random, and numbers them from 0. If the
    recording has a seed and fewer images than the folder, numbered from 0, the draw is repeated.
    Without a seed, such a recording may hold other images, and an error is raised.

    Parameters
    ----------
    recording
        The recording.
    folder
        The folder of all images, or of exactly those that were recorded.

    Attributes
    ----------
    classes
        The names of the classes, by label; empty for a folder without class folders.

    Raises
    ------
    DataError
        If the labels of the folder differ from the recorded labels, or if the number of images does
        not fit the recording.
    """

    def __init__(self, recording: Recording, folder: Path) -> None:
        rows = recording.rows()
        images = rows["image"].to_numpy()
        numbered, seed = np.array_equal(images, np.arange(len(images))), recording.header.seed
        open_folder: Any = image_folder
        self._data = open_folder(
            folder, _SIZE, mean=[0.0] * 3, std=[1.0] * 3, crop=1.0,
            limit=None if seed is None or not numbered else len(images), seed=seed or 0,
        )  # fmt: skip
        whole = getattr(self._data, "dataset", self._data)
        if numbered and seed is None and len(whole) > len(images):
            raise DataError(
                f"{folder} must hold exactly the {len(images)} images that were recorded, and "
                f"holds {len(whole)}, of which nothing says which were recorded; give the recorded "
                "images with images= (--images)"
            )
        self.classes: tuple[str, ...] = tuple(getattr(whole, "classes", ()))
        if images.max() >= len(self._data):
            raise DataError(
                f"{folder} must hold at least {images.max() + 1} images, because image "
                f"{images.max()} was recorded, and holds {len(self._data)}; give the recorded "
                "images with images= (--images)"
            )
        known = rows["label"].notna().to_numpy()
        if not (self.classes and known.any()):
            if len(whole) != len(images):
                raise DataError(
                    f"without labels to compare, {folder} must hold exactly the {len(images)} "
                    f"images that were recorded, and holds {len(whole)}; give a folder of these"
                )
            return
        positions = getattr(self._data, "indices", range(len(self._data)))
        labels = np.array(whole.targets)[np.array(positions)[images[known]]]
        if not np.array_equal(labels, rows["label"][known].to_numpy(dtype=np.int64)):
            raise DataError(
                f"the labels in {recording.path} must be those of {folder}, and differ; give the "
                "recorded images with images= (--images)"
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._data)

    def __getitem__(self, index: int) -> Tensor:
        """Return the image with this index in the recording, (3, 96, 96) in [0, 1]."""
        item = self._data[index]
        image: Tensor = item[0] if isinstance(item, tuple) else item
        return image


def folder_of(named: str, root: Path) -> Path | None:
    """Return the folder that a recording names as its data set; None if it names none.

    Parameters
    ----------
    named
        The name in the recording: a folder, imagenet, folder:PATH, or one of these two and "/test".
    root
        The folder that holds data sets.
    """
    if named in ("imagenet", "imagenet/test"):
        return split_folder(root.expanduser() / "imagenet", "test")
    if named.startswith("folder:"):
        root = Path(named.removeprefix("folder:").removesuffix("/test"))
        return split_folder(root.expanduser(), "test")
    path = Path(named).expanduser()
    return path if named and path.is_dir() else None
