"""Check that images have the labels of the last recorded epoch, in whatever order they come."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int64
from torch import Tensor

from stripe.errors import RecordingError
from stripe.recording import open_recording


class EarlierLabels:
    """The labels of the last recorded epoch.

    Parameters
    ----------
    path
        The directory of the recording.
    epochs
        The recorded epochs.
    """

    def __init__(self, path: Path, epochs: Sequence[int]) -> None:
        self._labels = pd.Series(dtype=float)
        if epochs:
            self._epoch = epochs[-1]
            rows = open_recording(path).rows(self._epoch)
            self._labels = rows.set_index("image")["label"].dropna()

    def check(self, images: Int64[np.ndarray, " b"], labels: Tensor | None) -> None:
        """Raise if an image of a batch has another label than before.

        Labels on a GPU are not checked, since every batch would wait for the GPU.
        """
        if labels is None or labels.device.type != "cpu" or self._labels.empty:
            return
        before = self._labels.reindex(images).to_numpy(dtype=float)
        now = labels.numpy()
        other = ~np.isnan(before) & (before != now)
        if other.any():
            first = int(other.argmax())
            raise RecordingError(
                f"image {images[first]} had the label {before[first]:.0f} in epoch {self._epoch}, "
                f"and has {now[first]} now: the loader gives other images, or another order; yield "
                "(images, labels, indices), or give a DataLoader, which tells the order"
            )
