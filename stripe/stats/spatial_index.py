"""The stripe index of spatial attention maps."""

import numpy as np
import pandas as pd

from stripe.errors import RecordingError
from stripe.recording import Recorded, open_recording
from stripe.stats.per_gate import chosen_epochs
from stripe.stats.stripe_index import COLUMNS, index_row
from stripe.stats.unwarned import unwarned
from stripe.typed import typed


@typed
@unwarned
def spatial_index(recording: Recorded) -> pd.DataFrame:
    """Compute the stripe index of each spatial map in each epoch.

    The formula is that of `stripe_index`, with the positions of the map instead of channels. The
    index is 1 if every image has the same map. It is 0 if the map varies over images, but all
    positions have the same mean.

    Parameters
    ----------
    recording
        A recording with spatial maps (`spatial=True`).

    Returns
    -------
    DataFrame
        One row per epoch and map: epoch, gate, eta2, between_var, within_var, median_std,
        one_value, as for `stripe_index`. Standard deviations are over images, at each position.

    Raises
    ------
    RecordingError
        If the recording has no spatial maps or no epoch.

    Notes
    -----
    Compare this index with that of the channel gate of the same block. The paper finds stripes in
    channel attention but none in spatial attention, so it does not re-parameterize spatial
    attention. The padding of convolutions makes the border differ from the centre, which raises the
    index for any images.

    References
    ----------
    Section 6 (4), Figure 29.

    Examples
    --------
    >>> cbam = stripe.build("resnet8_basic", attention="cbam", num_classes=10, in_channels=1)
    >>> maps = stripe.record(cbam, loader, "runs/maps", spatial=True, progress=False)
    >>> stripe.stats.spatial_index(maps)["eta2"].between(0, 1).all()
    np.True_
    """
    recording = open_recording(recording)
    maps = [gate.name for gate in recording.header.gates if gate.kind == "spatial"]
    if not maps:
        raise RecordingError(f"{recording.path} holds no spatial maps; record with spatial=True")
    rows = []
    for epoch in chosen_epochs(recording, None):
        for gate in maps:
            values = recording.spatial(gate, epoch)  # (images, H, W)
            mean = values.mean(axis=0, dtype=np.float64)
            std = values.std(axis=0, dtype=np.float64)
            rows.append((epoch, gate, *index_row(mean.ravel(), std.ravel(), len(values))))
    return pd.DataFrame(rows, columns=COLUMNS)
