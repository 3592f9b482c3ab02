"""Whole trainings."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import stripe
from stripe import StripeError, open_recording
from stripe.data import ImageSet
from stripe.train import TrainConfig, TrainResult, loaders, loop, train


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """Return a run on 96 images whose class is written in their brightness."""

    def load(name: str, split: str, **_: object) -> ImageSet:
        labels = torch.arange(96) % 3
        noise = torch.randint(40, (96, 1, 8, 8), generator=torch.Generator().manual_seed(0))
        images = (labels.view(-1, 1, 1, 1) * 80 + noise).to(torch.uint8)
        return ImageSet(f"{name}/{split}", images, labels, ("a", "b", "c"), (0.4,), (0.3,))

    monkeypatch.setattr(loaders, "load_dataset", load)
    return TrainConfig(
        attention="se",
        epochs=3,
        batch_size=16,
        precision="fp32",
        record=True,
        record_images=12,
        out=tmp_path / "r",
    )


def test_learns_and_leaves_everything(config: TrainConfig) -> None:
    result = train(config, progress=False)
    assert result.best >= result.last > 0.8
    assert result.history["epoch"].tolist() == [1, 2, 3]
    assert result.history["train_loss"].iloc[-1] < 0.5 * result.history["train_loss"].iloc[0]
    logged = pd.read_csv(config.out / "history.csv")
    pd.testing.assert_frame_equal(logged, result.history)
    saved = json.loads((config.out / "config.json").read_text())
    assert saved["lr"] == config.lr
    assert "torch" in saved["versions"]
    assert saved["made_on"]["threads"] == torch.get_num_threads()
    recording = open_recording(config.out / "recording")
    assert recording.epochs == [0, 1, 2, 3]
    assert len(recording.images) == 12
    assert recording.verify()["rows"].tolist() == [12] * 4


def test_asr_trains_and_folds(config: TrainConfig) -> None:
    """From the configuration to the plain network; the constant gates can be recorded too."""
    asr = replace(config, attention=None, asr="srm", epochs=1)
    model = train(asr, progress=False).model.eval()
    recording = open_recording(config.out / "recording")
    assert set(recording.gates["kind"]) == {"constant"}
    values = recording.values("layer1.0.bn3.gate", epoch=1)
    assert (values == values[0]).all()
    assert stripe.asr.largest_difference(model, stripe.reparameterize(model)) < 1e-5


@pytest.mark.slow
def test_a_seed_repeats_a_run_to_the_bit(config: TrainConfig, tmp_path: Path) -> None:
    runs = [
        train(replace(config, out=tmp_path / str(i), seed=seed, epochs=1), progress=False)
        for i, seed in enumerate((1, 1, 2))
    ]
    weights = [run.model.get_parameter("conv1.weight") for run in runs]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_recording_does_not_change_the_training(config: TrainConfig, tmp_path: Path) -> None:
    with_record = train(config, progress=False)
    without = train(replace(config, record=False, out=tmp_path / "w"), progress=False)
    first, second = (run.history["train_loss"].tolist() for run in (with_record, without))
    assert first == second
    assert without.recording is None


def test_ctrl_c_keeps_the_finished_epochs(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(10))

    def interrupted(*args: object) -> tuple[float, float]:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return 0.5, 1.0

    monkeypatch.setattr(loop, "top_accuracies", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(config, progress=False)
    assert open_recording(config.out / "recording").verify()["epoch"].tolist() == [0, 1]
    assert len(pd.read_csv(config.out / "history.csv")) == 1


def test_the_three_accuracies() -> None:
    accuracies = [0.9] + [0.5] * 9 + [0.7]
    history = pd.DataFrame({"test_accuracy": accuracies})
    result = TrainResult(torch.nn.Identity(), history, None)
    assert result.best == 0.9
    assert result.last == 0.7
    assert result.last_ten == pytest.approx(0.52)


def test_errors_say_what_to_do(config: TrainConfig) -> None:
    config.out.mkdir()
    (config.out / "precious").write_text("data")
    with pytest.raises(StripeError, match="r must be a new or empty directory"):
        train(config)
    assert [path.name for path in config.out.iterdir()] == ["precious"]
    with pytest.raises(StripeError, match="auto, cpu, cuda or cuda:N, got 'abacus'"):
        train(replace(config, device="abacus"))
    if not torch.cuda.is_available():
        with pytest.raises(StripeError, match="there are 0 GPUs"):
            train(replace(config, device="cuda"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "epochs must be at least 1, got 0"),
        ("seed", -1, "seed must be at least 0, got -1"),
        ("schedule", "cosin", "schedule is one of steps, cosine, got 'cosin'"),
        ("precision", "fp16", "precision is one of auto, bf16, fp32, got 'fp16'"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_a_configuration_is_checked(field: str, value: object, message: str) -> None:
    with pytest.raises(StripeError, match=message):
        TrainConfig(**{field: value})  # type: ignore[arg-type]


def test_a_start_that_fails_leaves_no_folder(config: TrainConfig, tmp_path: Path) -> None:
    bare = replace(config, attention=None, epochs=1, out=tmp_path / "runs" / "a")
    for resume in (False, True):
        with pytest.raises(StripeError, match="no gates were found in this"):
            train(bare, progress=False, resume=resume)
        assert not (tmp_path / "runs").exists()
    train(replace(bare, attention="se"), progress=False)
    assert open_recording(bare.out / "recording").epochs == [0, 1]


def test_a_folder_that_was_there_stays(config: TrainConfig) -> None:
    config.out.mkdir()
    with pytest.raises(StripeError, match="no gates were found in this"):
        train(replace(config, attention=None), progress=False)
    assert list(config.out.iterdir()) == []


def test_a_failure_after_the_first_checkpoint_keeps_it(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = replace(config, record=False, epochs=2)
    real: Any = vars(loop)["top_accuracies"]
    calls = iter([real])

    def second_fails(*arguments: Any) -> tuple[float, float]:
        measure = next(calls, None)
        if measure is None:
            raise RuntimeError("out of memory")
        found: tuple[float, float] = measure(*arguments)
        return found

    monkeypatch.setattr(loop, "top_accuracies", second_fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        train(plain, progress=False)
    assert (config.out / "config.json").exists()
    monkeypatch.setattr(loop, "top_accuracies", real)
    assert len(train(plain, progress=False, resume=True).history) == 2
