"""Interventions that are refused: the error says what was expected and what came."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from patched import network, same
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError, RecordingError, StripeError, UnknownNameError


def messages(error: type[StripeError], *parts: str) -> Any:
    """Return a context that wants an error of one line with all parts."""
    return pytest.raises(error, match=r"\A" + "".join(f"(?=.*{part})" for part in parts) + r".*\Z")


def test_bad_input_is_one_line(recorded: Any, batch: Tensor, tmp_path: Path) -> None:
    model, recording = recorded
    gate = recording.gates["name"][0]
    with messages(ModelError, "other", "force"):
        stripe.intervene(network("se").float(), "mean", recording)
    with messages(UnknownNameError, "layer1.0.bn2.gates", "it has: layer1.0.bn2.gate, layer2"):
        stripe.intervene(model, "zero", gates="layer1.0.bn2.gates")
    with messages(ModelError, "mean, grand_mean, class_mean", "'meen'"):
        stripe.intervene(model, "meen", recording)
    with messages(ModelError, "recording="):
        stripe.intervene(model, "mean")
    with messages(ModelError, "recording="):
        stripe.intervene(model, "resample", {gate: np.zeros(16)}, gate)
    with messages(ModelError, gate, "16 numbers", r"\(3,\)"):
        stripe.intervene(model, [1.0, 2.0, 3.0], gates=gate)
    with messages(ModelError, "must be recorded", "layer2"):
        stripe.intervene(model, "mean", {gate: np.zeros(16)}, "layer2.*")
    with (
        messages(ModelError, "label", "got none"),
        stripe.intervene(model, "class_mean", recording),
    ):
        model(batch)
    labelled = stripe.intervene(model, "class_mean", recording, labels=[0, 1, 2, 7, 1, 2])
    with messages(ModelError, "label 7 has none"), labelled:
        model(batch)
    with (
        messages(ModelError, gate, r"\(6, 16\)", r"\(6,\)"),
        stripe.intervene(model, lambda values: values.mean(1), gates=gate),
    ):
        model(batch)
    with messages(ModelError, "at least 2 images"), stripe.intervene(model, "shuffle"):
        model(batch[:1])
    unlabelled = stripe.record(model, [batch], tmp_path / "u", progress=False)
    with messages(RecordingError, "labels", "6 of 6"):
        stripe.intervene(model, "class_mean", unlabelled)
    entered = stripe.intervene(model, "zero")
    with entered:
        zeroed = model(batch)
        with messages(ModelError, "already on"):
            entered.__enter__()
        assert same(model(batch), zeroed)
    with messages(ModelError, "every chosen gate"):
        stripe.intervene(model, {gate: "zero"}, gates="layer2.*")
    with messages(ModelError, "none were found"):
        stripe.intervene(nn.Conv2d(1, 1, 1).double(), "zero", example=batch)


@pytest.mark.parametrize(
    ("how", "came"),
    [
        (None, "NoneType"),
        ({0.5}, "set"),
        (["half"], "list"),
        ([[1.0], [1.0, 2.0]], "list"),
        (np.array([None] * 16), "ndarray"),
        (torch.ones(16, dtype=torch.complex64), "Tensor of torch.complex64"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_what_is_no_replacement(how: Any, came: str, batch: Tensor) -> None:
    with messages(ModelError, "replaced by real numbers, a function or one of mean", f"got {came}"):
        stripe.intervene(network("se"), how, gates="layer1.*", example=batch)


@pytest.mark.parametrize("labels", ["abc", ["a"] * 6, [0.5] * 6, [float("nan")] * 6])
@pytest.mark.usefixtures("as_a_user")
def test_labels_that_are_no_classes(labels: Any, recorded: Any) -> None:
    model, recording = recorded
    with messages(ModelError, "labels must be whole numbers, one for each image"):
        stripe.intervene(model, "class_mean", recording, labels=labels)


def test_rows_of_another_batch(batch: Tensor) -> None:
    model = network("se")
    with (
        messages(ModelError, "rows that replace the gate 'layer1", "one or 6", "got 5"),
        stripe.intervene(model, torch.rand(5, 16), gates="layer1.*"),
    ):
        model(batch)


def test_a_gate_that_did_not_run_is_an_error(batch: Tensor) -> None:
    model = network("se")
    with messages(ModelError, "did not compute the gate"), stripe.intervene(model, "zero"):
        forward, model.forward = model.forward, lambda x: x.sum()
        try:
            model(batch)
        finally:
            model.forward = forward
