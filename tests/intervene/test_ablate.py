"""What interventions change: one row each, against runs of the model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import stripe
from stripe.errors import ModelError, StripeError
from stripe.intervene.ablate import COLUMNS, ablate
from stripe.stats import share_interval


@pytest.fixture
def model(small_model: nn.Sequential) -> nn.Sequential:
    return small_model.eval()


def test_a_row_says_what_the_model_does(model: Any, images: torch.Tensor, tmp_path: Path) -> None:
    labels = torch.arange(10) % 3
    recording = stripe.record(model, [(images, labels)], tmp_path / "r", progress=False)
    table = ablate(
        model, [(images[:6], labels[:6]), (images[6:], labels[6:])], recording, progress=False
    )
    assert table.columns.tolist() == COLUMNS
    assert len(table) == 1 + 6 * 3
    none = table.iloc[0]
    with torch.no_grad():
        before = model(images)
        with stripe.intervene(model, "zero", gates="1.gate"):
            after = model(images)
    assert (none["agreement"], none["kl"]) == (1, 0)
    assert none["accuracy"] == pytest.approx((before.argmax(1) == labels).float().mean().item())
    (row,) = table[(table["intervention"] == "zero") & (table["gate"] == "1.gate")].to_dict(
        "records"
    )
    p, q = before.double().softmax(1), after.double().softmax(1)
    kl = (p * (p / q).log()).sum(1).numpy()
    agreement = float((before.argmax(1) == after.argmax(1)).float().mean())
    assert row["kl"] == pytest.approx(kl.mean(), rel=1e-4)
    assert row["kl_high"] - row["kl"] == pytest.approx(1.96 * kl.std(ddof=1) / 10**0.5, rel=1e-4)
    assert row["agreement"] == pytest.approx(agreement)
    low, high = share_interval(agreement, 10)
    assert (row["agreement_low"], row["agreement_high"]) == pytest.approx((low, high))
    assert row["accuracy"] == pytest.approx((after.argmax(1) == labels).float().mean().item())


@pytest.mark.filterwarnings("ignore:labels must be 0 to 2")  # more classes than outputs
def test_class_means_are_given_the_labels_of_each_batch(
    model: Any, images: torch.Tensor, tmp_path: Path
) -> None:
    labels = torch.arange(10)  # a class for every image: each gate is its own
    recording = stripe.record(model, [(images, labels)], tmp_path / "r", progress=False)
    batches = [(images[5:], labels[5:]), (images[:5], labels[:5])]
    table = ablate(model, batches, recording, ["class_mean"], "1.gate", progress=False)
    assert table["kl"][1] < 1e-10
    shuffled = [(images[5:], labels[:5]), (images[:5], labels[5:])]
    assert (
        ablate(model, shuffled, recording, ["class_mean"], "1.gate", progress=False)["kl"][1] > 1e-9
    )


def test_without_labels_accuracy_is_missing(model: Any, images: torch.Tensor) -> None:
    table = ablate(model, [images], None, {"half": 0.5, "twice": lambda v: 2 * v}, progress=False)
    assert table["intervention"].tolist() == ["none", *["half"] * 3, *["twice"] * 3]
    assert table["gate"].tolist() == ["", *["1.gate", "4.gate", "all"] * 2]
    assert table["accuracy"].isna().all()
    assert table["kl"].notna().all()


def test_a_last_image_of_another_size_stays_alone(model: Any, images: torch.Tensor) -> None:
    batches = [images[:9], images[9:, :, 2:, 2:]]
    table = ablate(model, batches, None, ["zero"], alone=False, progress=False)
    assert table["intervention"].tolist() == ["none", "zero"]


def test_bad_input_is_one_line(model: Any, images: torch.Tensor) -> None:
    with pytest.raises(StripeError, match=r"\Aa loader must give at least one image, got none\Z"):
        ablate(model, [], None, ["zero"], example=images)
    with pytest.raises(ModelError, match=r"\Aa mean needs recorded gates.*recording=\Z"):
        ablate(model, [images], progress=False)


def test_the_interval_of_a_share_is_scipys() -> None:
    from scipy.stats import binomtest

    for right, count in ((0, 7), (3, 10), (50, 50)):
        theirs = binomtest(right, count).proportion_ci(method="wilson")
        assert share_interval(right / count, count) == pytest.approx(tuple(theirs), abs=1e-4)


MODULE = """
import stripe, torch

def network():
    torch.manual_seed(0)
    return stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1)
"""


@pytest.mark.slow
def test_the_command_prints_and_draws(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny_to_ablate.py").write_text(MODULE)
    network = ["--model", "tiny_to_ablate:network"]
    of_images = ["--images", "fashion-mini", "--limit", "40", "--batch-size", "16"]
    outs = ["--out", tmp_path / "t.csv", "--figure", tmp_path / "f.png", "--measure", "kl"]
    code, said = run("ablate", *network, *of_images, *outs, "--gates", "layer[12].*", "--json")
    assert code == 0
    rows = json.JSONDecoder().raw_decode(said[said.index("[") :])[0]
    table = pd.read_csv(tmp_path / "t.csv")
    hows = table["intervention"].drop_duplicates().tolist()
    assert hows[:7] == ["none", "mean", "grand_mean", "shuffle", "resample", "one", "zero"]
    assert len(rows) == len(table) == 1 + 3 * (len(hows) - 1)
    np.testing.assert_allclose([row["kl"] for row in rows], table["kl"], atol=1e-9)
    assert (tmp_path / "f.png").stat().st_size > 1000
    code, said = run("ablate", *network, *of_images, "--interventions", "meen")
    assert (code, said.count("meen")) == (1, 1)
