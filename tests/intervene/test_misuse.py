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
from stripe.intervene.ablate import ablate


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
        (np.array([None] * 16), "ndarray"),
        (torch.ones(16, dtype=torch.complex64), "Tensor of torch.complex64"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_what_is_no_replacement(how: Any, came: str, batch: Tensor) -> None:
    with messages(ModelError, "replaced by real numbers, a function or one of mean", f"got {came}"):
        stripe.intervene(network("se"), how, gates="layer1.*", example=batch)


@pytest.mark.parametrize("how", [None, {0.5}, ["half"], [[1.0], [1.0, 2.0]]])
@pytest.mark.usefixtures("as_a_user")
def test_what_is_of_no_type_of_replacement(how: Any, batch: Tensor) -> None:
    with messages(StripeError, "intervene: how must be a string, a number, a list of numbers"):
        stripe.intervene(network("se"), how, gates="layer1.*", example=batch)


@pytest.mark.parametrize("labels", ["abc", ["a"] * 6, [0.5] * 6, [float("nan")] * 6])
@pytest.mark.usefixtures("as_a_user")
def test_labels_that_are_no_classes(labels: Any, recorded: Any) -> None:
    model, recording = recorded
    with messages(StripeError, "intervene: labels must be a tensor, a list of integers or None"):
        stripe.intervene(model, "class_mean", recording, labels=labels)
    replaced = stripe.intervene(model, "class_mean", recording)
    with messages(ModelError, "labels must be whole numbers, one for each image"):
        replaced.labels = labels


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


class InPieces(nn.Module):
    """A network that goes through a batch two images at a time."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Any:
        return torch.cat([self.net(piece) for piece in x.split(2)])


class ByFunctions(nn.Module):
    """A network of one gate that functions compute; in training it drops channels before."""

    def __init__(self, pieces: int = 100) -> None:
        super().__init__()
        self.conv, self.pieces = nn.Conv2d(3, 8, 3), pieces

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        if self.training:
            y = y * torch.ones(len(y), 8, 1, 1)
        gated = [p * p.mean((2, 3), keepdim=True).sigmoid() for p in y.split(self.pieces)]
        return torch.cat(gated).mean((2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["shuffle", "resample", "rows", "sensitivity"])
def test_rows_of_a_piece_are_not_taken_for_those_of_the_batch(how: str, tmp_path: Path) -> None:
    x = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    model = InPieces(network("se").float())
    recording = stripe.record(model, [x], tmp_path / "r", progress=False)
    gate = recording.gates["name"][0]
    with messages(ModelError, gate, "each of the 4 images", "has 2", "into pieces"):
        if how == "sensitivity":
            stripe.sensitivity(model, [x], recording, progress=False)
        rows: Any = np.zeros((2, 16)) if how == "rows" else how
        with stripe.intervene(model, rows, recording, gate):
            model(x)
    for means in ("mean", "grand_mean"):  # any piece may have these
        with stripe.intervene(model, means, recording):
            model(x)


@pytest.mark.parametrize("why", ["pieces", "training"])
def test_a_constant_never_stands_for_another_factor(why: str) -> None:
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    model = ByFunctions(2 if why == "pieces" else 100).eval()
    gate = {"ByFunctions": np.linspace(0.1, 0.9, 8)}
    frozen = stripe.freeze(model, gate, example=x[:2]).model
    with stripe.intervene(model, "mean", gate, example=x[:2]):
        torch.testing.assert_close(model(x[:2]), frozen(x[:2]))
    for either in (model, frozen):
        either.train(why == "training")
    refused = messages(ModelError, "must multiply 1 times", "did so 2 times")
    with refused, stripe.intervene(model, "mean", gate, example=x[:2]):
        model(x)
    with refused:
        frozen(x)


@pytest.mark.usefixtures("as_a_user")
def test_an_exported_program_is_given_as_its_module(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1).eval()
    images = torch.rand(4, 1, 28, 28)
    program: Any = torch.export.export(model, (images,))
    with messages(StripeError, "ExportedProgram", r"give its \.module\(\)"):
        stripe.intervene(program, "zero")
    exported = program.module()
    with stripe.intervene(exported, "zero", example=images) as running:
        zeroed = exported(images)
    with stripe.intervene(model, "zero"):
        torch.testing.assert_close(zeroed, model(images))
    assert len(running.gates) == 3


@pytest.mark.usefixtures("as_a_user")
def test_an_exported_program_of_another_batch_size(
    small_model: Any, images: Tensor, tmp_path: Path
) -> None:
    four = images[:4]
    exported: Any = torch.export.export(small_model.eval(), (four,)).module()
    recording = stripe.record(exported, [four], tmp_path / "r", progress=False)
    quiet: Any = {"progress": False}
    for tool in (
        lambda **more: stripe.intervene(exported, "mean", recording, **more),
        lambda **more: ablate(exported, [four], recording, ["mean"], **quiet, **more),
        lambda **more: stripe.sensitivity(exported, [four], recording, **quiet, **more),
        lambda **more: stripe.freeze(exported, recording, **more),
    ):
        with messages(ModelError, r"on images \(2, 1, 12, 12\)", "== 4; an exp", "example="):
            tool()
        tool(example=four)
    with messages(ModelError, r"on images \(6, 1, 12, 12\)", "give batches of that"):
        ablate(exported, [images[4:]], recording, ["mean"], example=four, progress=False)
