"""The predictions of a network for the images of a loader, which several passes read."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64, Integer
from torch import nn

from stripe.errors import DataError
from stripe.hooks.batches import numbered_batches
from stripe.hooks.mixed import sorted_by_class
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.feed import feed
from stripe.modules.undisturbed import undisturbed
from stripe.outputs.task import Read, Task


class ReadImages(NamedTuple):
    """What a network predicts for the images of a loader.

    Parameters
    ----------
    read
        The predictions, in the order of the numbers of the images.
    images
        The numbers of the images, ascending.
    labels
        The label of each image; None if some have none.
    sorted_by_class
        Whether the loader gave the images class by class.
    """

    read: Read
    images: Int64[np.ndarray, " images"]
    labels: Integer[np.ndarray, " images"] | None
    sorted_by_class: bool = False


def check_several_passes(loader: Iterable[Any]) -> None:
    """Raise a `DataError` if a loader gives its images only once."""
    if isinstance(loader, Iterator):
        raise DataError(
            "networks are compared in several passes over the images, and an iterator gives them "
            f"once, got {type(loader).__name__}; give a list of batches or a DataLoader"
        )


def read_images(
    model: nn.Module, loader: Iterable[Any], task: Task, *, missing: bool
) -> ReadImages:
    """Run a network on the images of a loader, and read its outputs.

    Parameters
    ----------
    model
        The network. It runs in evaluation mode without gradients.
    loader
        Batches of images, or (images, labels).
    task
        How outputs are read.
    missing
        Accept scores that are NaN, as for `Task.read`.

    Raises
    ------
    StripeError, ModelError
        As for `Task.read`.
    """
    numbers: list[np.ndarray] = []
    labels: list[np.ndarray] = []

    def outputs() -> Iterator[tuple[int, Any]]:
        for number, images, of_batch in numbered_batches(loader):
            numbers.append(number)
            if of_batch is not None:
                labels.append(of_batch.cpu().numpy())
            yield len(images), feed(model, images)

    with interrupts_held(), undisturbed(model), interrupts_allowed():
        found, scores = task.read(outputs(), missing=missing)
    whole = np.concatenate(numbers)
    order = np.argsort(whole, kind="stable")
    known = np.concatenate(labels)[order] if len(labels) == len(numbers) else None
    read = Read([found[k] for k in order], None if scores is None else scores[order])
    return ReadImages(read, whole[order], known, known is not None and sorted_by_class(labels))


def compared(task: Task, before: ReadImages, now: ReadImages) -> dict[str, float]:
    """Compare the predictions of two passes, as `Task.measures` does.

    Raises
    ------
    DataError
        If the passes had different images.
    """
    if not np.array_equal(before.images, now.images):
        raise DataError(
            f"a loader must give the same images in every pass, got {len(before.images)} images, "
            f"and {len(now.images)} images or others later; give a list of batches"
        )
    return task.measures(before.read, now.read, now.labels)
