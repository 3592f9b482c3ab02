"""Record one epoch in one line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from stripe.errors import StripeError
from stripe.hooks.recorder import Recorder
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.recording import Recording, open_recording
from stripe.typed import typed


@typed
def record(
    model: nn.Module,
    loader: Iterable[Any],
    path: str | Path,
    *,
    epoch: int = 0,
    progress: bool = True,
    **options: Any,
) -> Recording:
    """Record the gates of `model` for the images of `loader`, as one epoch.

    Parameters
    ----------
    model, loader, path
        As for `Recorder` and `Recorder.record`.
    epoch
        Number of the epoch, for example the number of epochs for which the network was trained.
    progress
        Show a progress bar. If standard error is not a terminal, a line is written every ten
        seconds instead.
    **options
        As for `Recorder`. `Recorder` and `Recorder.record` list further errors.

    Returns
    -------
    Recording
        The finished recording, opened for reading.

    Raises
    ------
    StripeError
        If `epoch` is not a multiple of `every`.

    Examples
    --------
    >>> recording = stripe.record(model, loader, "runs/a", progress=False)
    >>> stripe.stats.stripe_index(recording)["gate"].tolist()
    ['layer1.0.bn2.gate', 'layer2.0.bn2.gate', 'layer3.0.bn2.gate']
    """
    with interrupts_held(), Recorder(model, path, **options) as recorder, interrupts_allowed():
        if epoch % recorder.every:
            raise StripeError(
                f"record: epoch must be a multiple of every, got epoch={epoch} and "
                f"every={recorder.every}, so nothing would be recorded; leave out every"
            )
        recorder.record(loader, epoch=epoch, progress=progress)
    return open_recording(path)
