"""Runs that are killed, stopped and resumed end as uninterrupted ones do."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from short_run import settings

import stripe
from stripe.errors import StripeError
from stripe.gates import fingerprint
from stripe.train import TrainConfig, loop, session, train
from stripe.train.checkpoint import finished_epochs, latest_checkpoint, save_checkpoint
from stripe.train.step import train_step


def command(config: TrainConfig) -> list[str]:
    fields = (
        "backbone",
        "attention",
        "dataset",
        "data_root",
        "epochs",
        "batch_size",
        "noise",
        "out",
    )
    options = [f"--{name.replace('_', '-')}={getattr(config, name)}" for name in fields]
    options += ["--record", f"--record-images={config.record_images}", "--resume"]
    return [sys.executable, "-m", "stripe", "train", *options]


def assert_equal_runs(first: Path, second: Path) -> None:
    """Compare everything that two runs left, but for the seconds that they took."""
    one, other = (load_file(run / "model.safetensors") for run in (first, second))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    logs = [pd.read_csv(run / "history.csv").drop(columns="seconds") for run in (first, second)]
    pd.testing.assert_frame_equal(logs[0], logs[1], check_exact=True)
    recordings = [stripe.open_recording(run / "recording") for run in (first, second)]
    assert recordings[0].epochs == recordings[1].epochs == [0, 1, 2]
    for gate in recordings[0].gates["name"]:
        for epoch in (0, 1, 2):
            values = [recording.values(gate, epoch) for recording in recordings]
            np.testing.assert_array_equal(values[0], values[1])
    optimizers = []
    for run in (first, second):
        last = latest_checkpoint(run / "checkpoint")
        assert last is not None
        optimizers.append(torch.load(last / "state.pt", weights_only=True))
    noises = [state["of_processes"][0]["noise"] for state in optimizers]
    assert torch.equal(noises[0], noises[1])
    momenta: Any = [state["optimizer"]["state"] for state in optimizers]
    for key, of_parameter in momenta[0].items():
        assert torch.equal(of_parameter["momentum_buffer"], momenta[1][key]["momentum_buffer"])


def begun(config: TrainConfig) -> "subprocess.Popen[bytes]":
    """Start a training, and wait until it has recorded the untrained network."""
    process = subprocess.Popen(command(config), stderr=subprocess.DEVNULL)
    while not (config.out / "recording/data/epoch=0").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.slow
def test_killed_at_random_points_it_ends_as_if_uninterrupted(
    tmp_path: Path, fashion: Path, times: Callable[[int, int], int], seed: int
) -> None:
    whole = settings(tmp_path / "whole", fashion)
    called = time.monotonic()
    process = begun(whole)
    began = time.monotonic()
    assert process.wait(120) == 0
    start, length = began - called, time.monotonic() - began
    rng, kills = random.Random(seed), 0
    while kills < times(3, 20):  # of one run, or of the next where that is finished
        killed, fresh = replace(whole, out=tmp_path / f"after {kills} kills"), True
        while kills < times(3, 20) and finished_epochs(killed.out / "checkpoint") < 2:
            process = begun(killed)
            # A resumed process first imports torch; a fresh one is here at its first step.
            time.sleep(rng.uniform(0, length / 2) + (0 if fresh else start))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.wait(30)
            fresh = False
        done = subprocess.run(command(killed), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert_equal_runs(whole.out, killed.out)
        shutil.rmtree(killed.out)
    print(f"{kills} kills")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 7, 9, 13])
def test_stopped_in_the_middle_of_an_epoch(
    step: int, tmp_path: Path, fashion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten steps an epoch: SIGTERM at the first, within, at the last of an epoch, in the second."""
    whole = settings(tmp_path / "whole", fashion)
    train(whole, progress=False)
    stopped = replace(whole, out=tmp_path / "stopped")
    before = signal.getsignal(signal.SIGTERM)
    taken = iter(range(100))
    step_of = train_step

    def terminated(*args: Any, **options: Any) -> torch.Tensor:
        if next(taken) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return step_of(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "train_step", terminated)
        with pytest.raises(SystemExit) as left:
            train(stopped, progress=False)
    assert left.value.code == 128 + signal.SIGTERM
    last = latest_checkpoint(stopped.out / "checkpoint")
    assert last is not None
    assert last.name == f"epoch={step // 10:05d}-batch={step % 10 + 1:07d}"
    assert signal.getsignal(signal.SIGTERM) == before
    train(stopped, resume=True, progress=False)
    assert_equal_runs(whole.out, stopped.out)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["dia", "se"])
def test_a_streamed_run_with_dropout_stopped_in_the_middle(
    attention: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three steps an epoch, of images that workers read and crop; DIA shares its module."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for number in range(6):
            folder = tmp_path / "set" / split / f"class{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    whole = TrainConfig(
        backbone="resnet11",
        attention=attention,
        dataset=f"folder:{tmp_path / 'set'}",
        image_size=32,
        epochs=2,
        batch_size=2,
        record=True,
        record_images=2,
        noise="random:0.1,0.1",
        out=tmp_path / "whole",
    )

    def network() -> torch.nn.Module:
        model = stripe.build("resnet11", attention=attention, num_classes=2, seed=0)
        model.fc = torch.nn.Sequential(torch.nn.Dropout(0.5), model.get_submodule("fc"))
        return model

    train(whole, model=network(), progress=False)
    stopped = replace(whole, out=tmp_path / "stopped")
    taken = iter(range(100))

    def terminated(*args: Any, **options: Any) -> torch.Tensor:
        if next(taken) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_step(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "train_step", terminated)
        with pytest.raises(SystemExit):
            train(stopped, model=network(), progress=False)
    train(stopped, model=network(), resume=True, progress=False)
    assert_equal_runs(whole.out, stopped.out)


def files(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_finished_run_is_left_alone(finished: TrainConfig) -> None:
    parts = files(finished.out)
    again = train(finished, resume=True, progress=False)
    assert len(again.history) == 1
    assert files(finished.out) == parts


def test_a_finished_run_without_its_checkpoint(
    finished: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(finished.out / "checkpoint")
    monkeypatch.delattr(loop, "train_step")
    again = train(finished, resume=True, progress=False)
    assert again.history["epoch"].tolist() == [1]
    saved = load_file(finished.out / "model.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in again.model.state_dict().items())


@pytest.mark.slow
def test_resume_without_a_run_starts_one(finished: TrainConfig, tmp_path: Path) -> None:
    fresh = train(replace(finished, out=tmp_path / "new"), resume=True, progress=False)
    assert fresh.last == pytest.approx(
        pd.read_csv(finished.out / "history.csv")["test_accuracy"][0]
    )


def test_a_run_of_other_settings_is_refused(finished: TrainConfig) -> None:
    with pytest.raises(StripeError, match=r"other settings \(epochs, lr"):
        train(replace(finished, epochs=3, lr=0.2), resume=True, progress=False)
    with pytest.raises(StripeError, match="continue it with --resume"):
        train(finished, progress=False)


@pytest.mark.slow
def test_an_epoch_of_other_weights_is_recorded_again(
    tmp_path: Path, fashion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between recording and checkpoint; resumed where sums round in another way."""
    config = settings(tmp_path / "run", fashion)

    def killed(folder: Path, model: torch.nn.Module, at: Any) -> None:
        if at.epoch == 2:
            raise KeyboardInterrupt
        save_checkpoint(folder, model, at)

    def rounded(*args: Any, **options: Any) -> torch.Tensor:
        loss = train_step(*args, **options)
        with torch.no_grad():
            next(args[0].parameters()).mul_(1 + 1e-3)
        return loss

    with monkeypatch.context() as patched:
        patched.setattr(session, "save_checkpoint", killed)
        patched.setattr(TrainConfig, "network", "named by an earlier version")
        with pytest.raises(KeyboardInterrupt):
            train(config, progress=False)
    recording = stripe.open_recording(config.out / "recording")
    assert recording.header.model == "named by an earlier version"
    before = {epoch: recording.weights(epoch) for epoch in recording.epochs}
    assert list(before) == [0, 1, 2]
    monkeypatch.setattr(loop, "train_step", rounded)
    result = train(config, resume=True, progress=False)
    after = {epoch: recording.weights(epoch) for epoch in recording.epochs}
    assert {epoch: after[epoch] == before[epoch] for epoch in after} == {0: True, 1: True, 2: False}
    assert after[2] == fingerprint(result.model)
    assert recording.verify()["epoch"].tolist() == [0, 1, 2]
    stripe.freeze(result.model, recording)  # the final weights and the last epoch are one


@pytest.mark.slow
def test_an_epoch_of_the_same_weights_is_left_alone(tmp_path: Path, fashion: Path) -> None:
    config = settings(tmp_path / "run", fashion)
    train(config, progress=False)
    parts = sorted((config.out / "recording").rglob("*.parquet"))
    before = [(part, part.stat().st_mtime_ns) for part in parts]
    assert stripe.open_recording(config.out / "recording").header.model == config.network
    shutil.rmtree(config.out / "checkpoint")
    (config.out / "model.safetensors").unlink()
    train(config, resume=True, progress=False)  # from the first step
    assert [(part, part.stat().st_mtime_ns) for part in parts] == before
