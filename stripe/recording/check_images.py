"""Check the images of an epoch: at least one, and each once."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stripe.errors import RecordingError
from stripe.recording.part import images_path


def images_of(staged: Path, parts: list[str]) -> np.ndarray:
    """Read the indices of the images in the parts of a staged epoch."""
    return np.concatenate([
        pq.read_table(staged / part, columns=["image"], partitioning=None)["image"].to_numpy()
        for part in parts
    ])  # fmt: skip


def taken_images(staged: Path, processes: int) -> np.ndarray:
    """Read the indices of the images of moments, and remove their files from the staged epoch."""
    images = [np.empty(0, np.int64)]
    for rank in range(processes):
        path = images_path(staged, rank)
        if path.exists():
            images.append(np.load(path))
            path.unlink()
    return np.concatenate(images)


def check_images(images: np.ndarray) -> None:
    """Raise if there is no image, or one comes twice."""
    if not len(images):
        raise RecordingError("an epoch must hold at least one image, got none; check the loader")
    unique, counts = np.unique(images, return_counts=True)
    if counts.max() > 1:
        raise RecordingError(
            f"an image must occur once in an epoch, and image {unique[counts.argmax()]} occurs "
            f"{counts.max()} times; record with a loader that neither repeats nor pads"
        )
