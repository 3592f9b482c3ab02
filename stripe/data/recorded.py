"""The recorded images, where the data set of the recording is available."""

from pathlib import Path

import numpy as np

from stripe.data.image_set import ImageSet
from stripe.data.recorded_folder import RecordedFolder, folder_of
from stripe.data.registry import list_datasets, load_dataset
from stripe.defaults import DATA_ROOT
from stripe.errors import DataError
from stripe.recording import Recorded, open_recording
from stripe.typed import typed


@typed
def recorded_images(
    recording: Recorded, *, root: str | Path = DATA_ROOT
) -> ImageSet | RecordedFolder:
    """Return the images that a recording names: a data set's test images, or those of a folder.

    Parameters
    ----------
    recording
        A recording whose header names a data set or a folder, as with `stripe train`, `stripe
        record` and `stripe.record(..., dataset=...)`.
    root
        Folder that holds data sets.

    Returns
    -------
    ImageSet or RecordedFolder
        The images of the data set or folder. Entry i is the image with index i in the recording.
        The attribute `classes` holds the names of their classes.

    Raises
    ------
    DataError
        If the recording names neither a data set nor a folder, if the data set or folder is
        missing, or if its labels differ from the recorded labels. A recording of a named data set
        must have labels. A folder whose labels cannot be compared must hold as many images as were
        recorded.

    Examples
    --------
    >>> test = stripe.data.load_dataset("fashion-mini", "test").head(8)
    >>> batches = stripe.data.DeviceLoader(test, 4, indices=True)
    >>> named = {"dataset": "fashion-mini/test", "progress": False}
    >>> recording = stripe.record(model, batches, "runs/test", **named)
    >>> images = stripe.data.recorded_images("runs/test")
    >>> explorer = stripe.explore("runs/test", images=images)
    """
    recording = open_recording(recording)
    named = recording.header.dataset
    name = named.removesuffix("/test")
    if name not in list_datasets():
        if (folder := folder_of(named, Path(root))) is not None:
            return RecordedFolder(recording, folder)
        raise DataError(
            f"{recording.path} must name a data set or a folder that is at hand to find its "
            f"images, and names {repr(named) if named else 'none'}; give the images with images= "
            "(--images)"
        )
    found = load_dataset(name, "test", root=root)
    rows = recording.rows()
    known = rows["label"].notna().to_numpy()
    images = rows["image"].to_numpy()
    if not known.any() or images.max() >= len(found) or images.min() < 0:
        raise DataError(
            f"{recording.path} must hold labels, and indices of the {len(found)} images of "
            f"{found.name}, to compare them; give the images with images= "
            "(--images)"
        )
    labels = found.labels.numpy()[images[known]]
    if not np.array_equal(labels, rows["label"][known].to_numpy(dtype=np.int64)):
        raise DataError(
            f"the labels in {recording.path} must be those of {found.name}, and differ; give "
            "the images with images= (--images)"
        )
    return found
