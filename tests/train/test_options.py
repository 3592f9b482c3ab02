"""What the options of a run do to its steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

import stripe
from stripe.audit.fine_tuned import constants_at_inference
from stripe.data.sample import sample
from stripe.errors import StripeError
from stripe.stats import channel_moments
from stripe.style.config import StyleConfig
from stripe.train import TrainConfig, train
from stripe.train.step import make_optimizer, train_step

OFF = torch.autocast("cpu", torch.bfloat16, enabled=False)


def test_a_setting_that_does_not_exist() -> None:
    with pytest.raises(
        StripeError, match=r"TrainConfig: .* no option 'epoch'; the nearest is epochs"
    ):
        TrainConfig(epoch=3)  # type: ignore[call-arg]
    with pytest.raises(StripeError, match=r"no option 'widths'; the nearest is width"):
        replace(StyleConfig(), widths=3)  # type: ignore[call-arg]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


IMAGES = torch.randn(10, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(10) % 5


@pytest.mark.parametrize("parts", [2, 3, 10])
def test_parts_of_a_batch_add_up(parts: int) -> None:
    whole, split = network(), network()
    losses = [
        train_step(
            model,
            torch.optim.SGD(model.parameters(), lr=0.1),
            IMAGES,
            LABELS,
            OFF,
            smoothing=0.1,
            parts=count,
        )
        for model, count in ((whole, 1), (split, parts))
    ]
    torch.testing.assert_close(losses[0], losses[1])
    for one, other in zip(whole.parameters(), split.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_label_smoothing_is_torchs() -> None:
    model = network()
    expected = F.cross_entropy(model(IMAGES), LABELS, label_smoothing=0.2)
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    loss = train_step(model, still, IMAGES, LABELS, OFF, smoothing=0.2)
    torch.testing.assert_close(loss, expected.detach())


def test_adamw_decays_apart_from_the_gradient() -> None:
    config = TrainConfig(optimizer="adamw", lr=0.01, weight_decay=0.5)
    ours, theirs = network(), network()
    for _ in range(3):
        train_step(ours, make_optimizer(config, ours), IMAGES, LABELS, OFF)
    for _ in range(3):
        fresh = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.5)
        F.cross_entropy(theirs(IMAGES), LABELS).backward()
        fresh.step()
        fresh.zero_grad()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.fixture
def config(tmp_path: Path, fashion: Path) -> TrainConfig:
    return TrainConfig(
        backbone="resnet11",
        attention="se",
        dataset="fashion_mnist",
        data_root=fashion,
        epochs=2,
        batch_size=32,
        out=tmp_path / "run",
    )


def test_logs(config: TrainConfig) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = train(replace(config, tensorboard=True), progress=False)
    table = pd.read_parquet(config.out / "history.parquet")
    pd.testing.assert_frame_equal(table, result.history)
    assert (table["test_top5"] >= table["test_accuracy"]).all()
    events = EventAccumulator(str(config.out / "tensorboard"))
    events.Reload()
    logged = [event.value for event in events.Scalars("test_accuracy")]
    assert logged == pytest.approx(table["test_accuracy"].tolist())
    assert not [tag for tag in events.Tags()["scalars"] if "/" in tag]  # no gates were recorded


def test_logs_the_statistics_of_gates_of_every_epoch(config: TrainConfig) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = train(
        replace(config, attention="se", record=True, record_images=20, tensorboard=True),
        progress=False,
    )
    assert result.recording is not None
    events = EventAccumulator(str(config.out / "tensorboard"))
    events.Reload()
    index = stripe.stats.stripe_index(result.recording)
    gates = index["gate"].unique()
    for statistic in ("eta2", "median_std"):
        for gate, rows in index.groupby("gate"):
            logged = events.Scalars(f"{statistic}/{gate}")
            assert [event.step for event in logged] == list(range(config.epochs + 1))
            assert [event.value for event in logged] == pytest.approx(rows[statistic].tolist())
    assert len([tag for tag in events.Tags()["scalars"] if "/" in tag]) == 2 * len(gates)


@pytest.mark.slow
def test_noise_in_training_changes_it_and_leaves_the_model(config: TrainConfig) -> None:
    plain = train(config, progress=False)
    noisy = train(
        replace(config, noise="random:0.3,0.3,when=train", out=config.out.with_name("noisy")),
        progress=False,
    )
    assert plain.history["train_loss"].tolist() != noisy.history["train_loss"].tolist()
    for module in noisy.model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_images_from_a_folder(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for number in range(12):
            folder = tmp_path / "photos" / split / f"class{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 100, (40, 48, 3)) + 150 * (number % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    config = TrainConfig(
        backbone="resnet11",
        attention="se",
        dataset=f"folder:{tmp_path / 'photos'}",
        image_size=32,
        workers=1,
        epochs=2,
        batch_size=6,
        record=True,
        record_images=5,
        out=tmp_path / "run",
    )
    result = train(config, progress=False)
    assert result.model.get_submodule("fc").out_features == 2
    recording = stripe.open_recording(config.out / "recording")
    assert recording.images["image"].tolist() == sample(12, 5).tolist()
    assert recording.epochs == [0, 1, 2]


@pytest.mark.slow
def test_constants_at_inference(config: TrainConfig, tmp_path: Path) -> None:
    result = train(config, progress=False)
    table = constants_at_inference(config.out, tmp_path / "c", epochs=1, progress=False)
    assert table["network"].tolist() == ["attention", "constants", "fine-tuned"]
    assert table["accuracy"][0] == pytest.approx(result.last, abs=0.03)  # bf16 there, float32 here
    assert table["loss"].tolist() == pytest.approx(
        [100 * (table["accuracy"][0] - accuracy) for accuracy in table["accuracy"]]
    )
    gates = stripe.open_recording(tmp_path / "c" / "gates")
    moments = channel_moments(gates)
    assert set(moments["n"]) == {160}  # all training images, each once
    means = moments["mean"].to_numpy(dtype=np.float32)
    trained = load_file(tmp_path / "c" / "fine-tuned" / "model.safetensors")
    held = [value.flatten() for name, value in trained.items() if "gate" in name]
    np.testing.assert_allclose(np.sort(torch.cat(held).numpy()), np.sort(means), rtol=1e-5)
