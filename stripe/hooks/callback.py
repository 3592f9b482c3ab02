"""A callback that records gates at every epoch of a trainer."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn

from stripe.errors import StripeError
from stripe.hooks.recorder import Recorder
from stripe.typed import typed


class RecordCallback:
    """Record gates in Hugging Face's Trainer, or in another trainer with the same callbacks.

    The callback records before the first epoch (as epoch 0) and after each epoch or, with
    `every=n`, after every n-th epoch. If the trainer resumes a run, the recording continues.

    Parameters
    ----------
    loader
        Batches of images, as for `Recorder.record`. Every epoch must have the same images.
    path
        Directory of the recording.
    **options
        As for `Recorder`, for example `every` and `overwrite`.

    Raises
    ------
    StripeError
        If the trainer passes no model.
    RecordingError
        If the trainer resumes from a checkpoint after which epochs were already recorded, and
        reaches one of these epochs again.

    Notes
    -----
    The trainer calls `on_train_begin`, `on_epoch_end` and `on_train_end` with (args, state,
    control, model=...). These methods read `state.epoch` and `state.global_step`. They also raise
    the other errors of `Recorder` and `Recorder.record`. The package transformers is not needed.
    The model must need no input but a batch of images, as the first argument or under a common
    keyword such as `pixel_values`.

    Examples
    --------
    >>> from stripe.hooks import RecordCallback
    >>> callback = RecordCallback(loader, "runs/a", every=2)
    >>> trainer.add_callback(callback)  # doctest: +SKIP
    """

    @typed
    def __init__(self, loader: Iterable[Any], path: str | Path, **options: Any) -> None:
        self._loader, self._path, self._options = loader, path, options
        self._recorder: Recorder | None = None

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: nn.Module | None = None, **_: Any
    ) -> None:
        """Open the recording, and record epoch 0 if the run is new."""
        if model is None:
            raise StripeError("a trainer must give its model to on_train_begin, got none")
        if self._recorder is not None:  # of a training that raised, which no event tells
            self._recorder.close()
        resumed = state.global_step > 0
        options = (
            {**self._options, "resume": True, "overwrite": False} if resumed else self._options
        )
        self._recorder = Recorder(model, self._path, **options)
        if not resumed:
            self._record(0)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Record the finished epoch."""
        self._record(round(state.epoch))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the recording."""
        if self._recorder is not None:
            self._recorder.close()

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a method that does nothing, for the trainer's other events."""
        if name.startswith("on_"):
            return _nothing
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _record(self, epoch: int) -> None:
        if self._recorder is not None:
            self._recorder.record(self._loader, epoch)


def _nothing(*_: Any, **__: Any) -> None:
    """Let an event pass."""
