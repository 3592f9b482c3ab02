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
        If the recording names a data set, the result is an `ImageSet`; its attribute `images[i]` is
        the image with index i in the recording. If the recording names a folder, the result is a
        data set whose item i is that image, (3, 96, 96) in [0, 1]. The attribute `classes` of both
        holds the names of the classes.

    Raises
    ------
    RecordingError
        If the recording cannot be read, has no epoch, or holds only moments.
    DataError
        In one of these cases:

        - the recording names neither a data set nor a folder, or the data set or folder is missing;
        - the labels of the images differ from the recorded labels;
        - a recording of a named data set has no labels, or an index that the data set lacks;
        - a folder has fewer images than the recorded indices require. If its labels cannot be
          compared, or if the recording has no seed and numbers its images from 0, the folder must
          hold exactly as many images as were recorded.

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
