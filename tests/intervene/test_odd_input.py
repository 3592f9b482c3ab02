"""Labels, vectors, loaders and weights of unusual forms: taken as they are meant, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import stripe
from stripe.errors import ModelError, StripeError
from stripe.gates import freeze_at
from stripe.intervene.ablate import ablate


class Net(nn.Module):
    """A classifier with a gate of its own code, and a method beside its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 8), nn.Linear(8, 5)

    def features(self, images: Tensor) -> Tensor:
        features = self.conv(images).relu()
        gated: Tensor = features * torch.sigmoid(self.fc(features.mean((2, 3))))[..., None, None]
        return gated

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.features(images).mean((2, 3)))
        return scores


@pytest.fixture
def model() -> Net:
    return Net().eval()


IMAGES = torch.randn(11, 3, 9, 9, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(11) % 5


@pytest.fixture
def recording(model: Net, tmp_path: Path) -> Any:
    return stripe.record(model, [(IMAGES, LABELS)], tmp_path / "run", progress=False)


def test_another_method_of_the_model_is_not_replaced(model: Net, recording: Any) -> None:
    with (
        pytest.warns(UserWarning, match="no gate was replaced.*model\\(images\\)"),
        stripe.intervene(model, "zero"),
    ):
        assert model.features(IMAGES).abs().max() > 0
    with stripe.intervene(model, "class_mean", recording) as running:
        running.labels = LABELS
        before = model(IMAGES)
        running.labels = (LABELS + 1) % 5
        by_method, by_call = model.forward(IMAGES), model(IMAGES)
    assert torch.equal(by_method, by_call)
    assert not torch.equal(before, by_call)


@pytest.mark.parametrize("kind", [torch.bool, torch.uint16, torch.uint32, torch.uint64])
def test_labels_of_any_whole_numbers(model: Net, tmp_path: Path, kind: torch.dtype) -> None:
    labels = LABELS.clamp(max=1).to(kind)
    recording = stripe.record(model, [(IMAGES, labels)], tmp_path / "r", progress=False)
    assert recording.rows()["label"].tolist() == LABELS.clamp(max=1).tolist()
    with stripe.intervene(model, "class_mean", recording, labels=labels):
        found = model(IMAGES)
    with stripe.intervene(model, "class_mean", recording, labels=LABELS.clamp(max=1)):
        assert torch.equal(model(IMAGES), found)
    assert (
        ablate(model, [(IMAGES, labels)], recording, ["mean"], progress=False)["accuracy"]
        .notna()
        .all()
    )


def test_complex_labels_are_left_out(model: Net) -> None:
    with pytest.warns(UserWarning, match="labels must be one whole number"):
        table = ablate(model, [(IMAGES, LABELS + 1j)], None, ["one"], progress=False)
    assert table["accuracy"].isna().all()


@pytest.mark.parametrize(
    "vector", [torch.full((8,), 0.5, requires_grad=True), torch.full((8,), 0.5).bfloat16()]
)
def test_vectors_of_any_tensor(model: Net, vector: Tensor) -> None:
    frozen = freeze_at(model, {"Net": vector}).model
    expected = freeze_at(model, {"Net": [0.5] * 8}).model
    assert torch.equal(frozen(IMAGES), expected(IMAGES))


@pytest.mark.parametrize("vector", [np.array(["a"] * 8), torch.full((8,), 1j)])
def test_other_vectors_are_refused(model: Net, vector: Any) -> None:
    with pytest.raises(ModelError, match=r"\Athe mean of 'Net' must be a vector of real numbers"):
        freeze_at(model, {"Net": vector})


def test_tables_without_a_column_are_refused(model: Net, recording: Any) -> None:
    moments = stripe.stats.channel_moments(recording)

    def without(*names: str) -> pd.DataFrame:
        table = moments.drop(columns=list(names))
        table.attrs = moments.attrs
        return table

    with pytest.raises(ModelError, match="has no 'channel'"):
        freeze_at(model, without("channel"), force=True)
    for name in ("min", "epoch"):
        with pytest.raises(ModelError, match=f"has no '{name}'"):
            stripe.freeze(model, without(name), constants="exact", force=True)


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_generator_of_torch_is_untouched(model: Net, recording: Any, shuffle: bool) -> None:
    loader = DataLoader(TensorDataset(IMAGES, LABELS), batch_size=5, shuffle=shuffle)
    state = torch.get_rng_state()
    ablate(model, loader, recording, ["mean"], progress=False)
    stripe.freeze(model, recording, constants="optimal", images=loader, progress=False)
    stripe.audit(model, loader, None, progress=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_of_inference_mode_are_refused_and_left_alone(tmp_path: Path) -> None:
    with torch.inference_mode():
        model = Net().eval()
    recording = stripe.record(model, [IMAGES], tmp_path / "i", progress=False)
    with pytest.raises(ModelError, match="inference_mode"):
        stripe.sensitivity(model, [IMAGES], recording, progress=False)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_error_of_a_function_is_its_own(model: Net) -> None:
    def wrong(values: Tensor) -> Any:
        return values + "a"  # type: ignore[operator]

    wants = pytest.raises(ModelError, match=r"the function that replaces.*'str'")
    with wants, stripe.intervene(model, wrong):
        model(IMAGES)


def test_a_last_image_that_comes_alone_is_shuffled_with_others(model: Net, recording: Any) -> None:
    loader = [(IMAGES[:10], LABELS[:10]), (IMAGES[10:], LABELS[10:])]
    table = ablate(model, loader, recording, ["shuffle", "mean"], progress=False)
    assert table["accuracy"].notna().all()
    whole = ablate(model, [(IMAGES, LABELS)], recording, ["shuffle", "mean"], progress=False)
    pd.testing.assert_frame_equal(table, whole)


def test_loaders_without_images_are_refused(model: Net) -> None:
    with pytest.raises(StripeError, match="at least one image"):
        ablate(model, [IMAGES[:0]], None, ["one"], progress=False)
    with pytest.raises(ModelError, match=r"got one tensor \(11, 3, 9, 9\); give \[images\]"):
        ablate(model, IMAGES, None, ["one"], progress=False)
