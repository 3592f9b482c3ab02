"""Decide whether equal indices of two recorded epochs stand for the same image."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from stripe.errors import RecordingError
from stripe.recording.label_order import regular_order
from stripe.recording.reader import Recording
from stripe.recording.runs import NamedRun

_OTHER_INDICES = "the recordings hold images of different indices"


def unlike(first: NamedRun, second: NamedRun) -> str:
    """Return why equal indices of two epochs may be different images; empty if they are the same.

    Every data set has an image 0, so equal indices alone prove nothing. If an image has two labels,
    the images differ. Otherwise, two epochs of one recording, and data sets of the same name, count
    as the same. Data sets of different names, or without a name, count as the same if all labels
    agree, and are neither sorted nor periodic. Sorted and periodic labels prove nothing, because
    they agree for any two data sets with the same classes in the same order.
    """
    one, two = _labels(first.recording, first.epoch), _labels(second.recording, second.epoch)
    if why := _contradiction(one, two):
        return why
    if _one_data_set(first.recording, second.recording):
        return ""
    one, two = one.align(two, join="inner")
    known = bool((one.notna() & two.notna()).all())
    reason = regular_order(one.to_numpy()) if known else "missing"
    if not reason:
        return ""
    names = [run.recording.header.dataset for run in (first, second)]
    named = " and ".join(dict.fromkeys(repr(name) if name else "without a name" for name in names))
    return f"the data sets are {named}, and the labels that could prove them equal are {reason}"


def different(first: NamedRun, second: NamedRun) -> str:
    """Return why two epochs are certainly of different images; empty if they may be the same."""
    if not (first.recording.header.per_image and second.recording.header.per_image):
        return ""
    one, two = _labels(first.recording, first.epoch), _labels(second.recording, second.epoch)
    return _contradiction(one, two) or ("" if one.index.equals(two.index) else _OTHER_INDICES)


def other_names(first: NamedRun, second: NamedRun) -> str:
    """Name the data sets of two recordings if the names differ; empty otherwise."""
    names = [run.recording.header.dataset for run in (first, second)]
    differ = all(names) and not _one_data_set(first.recording, second.recording)
    return f"the data sets are {' and '.join(map(repr, names))}" if differ else ""


def _one_data_set(first: Recording, second: Recording) -> bool:
    """Tell whether two recordings are one, or of data sets of the same name.

    A training adds "/test" to the name of its data set, and `stripe record` does not.
    """
    if first.path.resolve() == second.path.resolve():
        return True
    one, two = (of.header.dataset.removesuffix("/test") for of in (first, second))
    return one == two != ""


def unpaired(first: NamedRun, second: NamedRun) -> str:
    """Return why the rows of two epochs are not in pairs of the same image; empty if they are."""
    if not (first.recording.header.per_image and second.recording.header.per_image):
        return "a recording holds moments only"
    one, other = (_labels(run.recording, run.epoch).index for run in (first, second))
    if not one.equals(other):
        return other_names(first, second) or _OTHER_INDICES
    return unlike(first, second)


def check_same_images(runs: Iterable[NamedRun]) -> None:
    """Raise if runs that are shown image by image are not of the same images.

    Raises
    ------
    RecordingError
        If the images may differ. The message gives the reason from `unlike`.
    """
    first, *others = runs
    for run in others:
        if why := unlike(first, run):
            raise RecordingError(
                f"{first.recording.path} and {run.recording.path} must hold the same images to be "
                f"shown image by image, but {why}; draw each alone, or record the same images, "
                "with the name of their data set (dataset=)"
            )


def check_same_labels(recording: Recording, epochs: Iterable[int]) -> None:
    """Raise if an image has different labels in two epochs, so that the images must differ."""
    first, *others = epochs
    labels = _labels(recording, first)
    for epoch in others:
        if why := _contradiction(labels, _labels(recording, epoch)):
            raise RecordingError(
                f"epochs {first} and {epoch} of {recording.path} must hold the same images, but "
                f"{why}; record the data set in the same order in every epoch"
            )


def _labels(recording: Recording, epoch: int) -> pd.Series:
    """Return the label of each image, by its index."""
    return recording.rows(epoch).set_index("image")["label"]


def _contradiction(first: pd.Series, second: pd.Series) -> str:
    """Name an image that has two labels; empty if there is none."""
    one, two = first.align(second, join="inner")
    known = one.notna() & two.notna()
    differing = np.flatnonzero((one[known] != two[known]).to_numpy(dtype=bool))
    if not len(differing):
        return ""
    image = one[known].index[differing[0]]
    return f"image {image} has the labels {one[image]} and {two[image]}"
