"""A trainer that calls what Hugging Face's does records every epoch."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor, nn

from stripe.errors import RecordingError, StripeError
from stripe.gates.fingerprint import fingerprint
from stripe.hooks import RecordCallback
from stripe.recording import open_recording

#: Events of transformers' TrainerCallback, which the trainer calls by name.
EVENTS = [
    *("on_init_end", "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end"),
    *("on_step_begin", "on_pre_optimizer_step", "on_optimizer_step", "on_substep_end"),
    *("on_step_end", "on_evaluate", "on_predict", "on_save", "on_log", "on_prediction_step"),
]


class Trainer:
    """Calls the events as transformers.Trainer does, by keywords that a callback may ignore."""

    def __init__(self, model: nn.Module, callback: RecordCallback) -> None:
        self.model, self.callback = model, callback
        self.state = SimpleNamespace(epoch=0.0, global_step=0)

    def call(self, event: str) -> None:
        others: dict[str, Any] = {"optimizer": None, "train_dataloader": None}
        getattr(self.callback, event)(None, self.state, None, model=self.model, **others)

    def train(self, epochs: int) -> None:
        self.call("on_init_end")
        self.call("on_train_begin")
        for _ in range(epochs):
            self.call("on_epoch_begin")
            for event in EVENTS[5:]:
                self.call(event)
            nn.init.normal_(self.model[0].weight)  # type: ignore[index]
            self.state.epoch += 1.0
            self.state.global_step += 3
            self.call("on_epoch_end")
        self.call("on_train_end")


def test_every_epoch_is_recorded(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    before = fingerprint(small_model)
    trainer = Trainer(small_model, RecordCallback([images], tmp_path / "r"))
    trainer.train(2)
    recording = open_recording(tmp_path / "r")
    assert recording.epochs == [0, 1, 2]
    assert recording.weights(0) == before
    assert recording.weights(2) == fingerprint(small_model) != recording.weights(1)


def test_a_resumed_training_goes_on_and_another_is_refused(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    first = Trainer(small_model, RecordCallback([images], tmp_path / "r"))
    first.train(1)
    with pytest.raises(RecordingError, match="holds epochs 0 to 1; resume=True"):
        Trainer(small_model, RecordCallback([images], tmp_path / "r")).train(1)
    resumed = Trainer(small_model, RecordCallback([images], tmp_path / "r", overwrite=True))
    resumed.state = first.state
    resumed.train(1)
    assert open_recording(tmp_path / "r").epochs == [0, 1, 2]
    Trainer(small_model, RecordCallback([images], tmp_path / "r", overwrite=True)).train(1)
    assert open_recording(tmp_path / "r").epochs == [0, 1]


def test_a_training_that_raised_leaves_the_recording_to_the_next(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    callback = RecordCallback([images], tmp_path / "r", overwrite=True)
    stopped = Trainer(small_model, callback)
    stopped.call("on_train_begin")  # and nothing more: the trainer tells no end after an error
    Trainer(small_model, callback).train(1)
    assert open_recording(tmp_path / "r").epochs == [0, 1]


def test_what_is_no_event_is_no_method(images: Tensor, tmp_path: Path) -> None:
    callback = RecordCallback([images], tmp_path / "r")
    with pytest.raises(AttributeError, match="has no attribute 'record'"):
        callback.record  # noqa: B018
    with pytest.raises(StripeError, match="must give its model"):
        callback.on_train_begin(None, SimpleNamespace(global_step=0), None)
    assert not list(tmp_path.iterdir())
