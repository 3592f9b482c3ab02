"""Runs that were moved, edited or cut, also together with their digests."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from short_run import settings

from stripe.errors import ModelError, StripeError
from stripe.recording import Header, RecordedGate, RecordingWriter
from stripe.recording.field_types import check_header
from stripe.recording.log import Log, LogState
from stripe.reproduce.store.cost import run_seconds
from stripe.reproduce.store.runs import StoredRun, stored
from stripe.train import TrainConfig, loop, train
from stripe.train.checkpoint import latest_checkpoint
from stripe.train.manifest import MANIFEST, OF_RUN, digests_of, read_manifest, write_manifest
from stripe.train.run import WEIGHTS, open_run
from stripe.train.step import train_step
from stripe.train.trained import trained_network
from stripe.train.verify import verify_run

pytestmark = pytest.mark.slow


@pytest.fixture
def run(finished: TrainConfig, tmp_path: Path) -> StoredRun:
    """Return a finished run in a store."""
    placed = stored(replace(finished, out=Path("runs")), tmp_path / "store", finished.data_root)
    shutil.copytree(finished.out, placed.config.out)
    return placed


def resealed(folder: Path) -> None:
    """Make a manifest fit the files of a run."""
    write_manifest(folder, digests_of(folder, read_manifest(folder) or {}))


GATE = RecordedGate(name="g", owner="", owner_class="", channels=1, pooled=False)


def written(writer: RecordingWriter, epoch: int, weights: str | None = None) -> None:
    """Record an epoch of one image."""
    with writer.epoch(epoch, weights=weights) as part:
        part.write(np.arange(1), {"gate/g": np.zeros((1, 1), np.float32)})


def refused(run: StoredRun, match: str) -> None:
    """Check that the numbers of a run are refused in one line, when they are read for a table."""
    with pytest.raises(StripeError, match=match) as raised:
        _ = StoredRun(run.config).scores
    assert "\n" not in str(raised.value)


def test_a_run_under_the_name_of_another(run: StoredRun, tmp_path: Path) -> None:
    assert set(run.scores) == {"top1", "top5"}
    assert isinstance(run.config, TrainConfig)
    other = stored(replace(run.config, seed=7), tmp_path / "store")
    shutil.copytree(run.config.out, other.config.out)
    refused(other, r"holds a run of other settings \(seed\)")
    moved = stored(run.config, shutil.copytree(tmp_path / "store", tmp_path / "elsewhere"))
    assert moved.scores == run.scores


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda log: log.iloc[:0], "a row for each of 1 epochs, has 0"),
        (lambda log: pd.concat([log, log]), "a row for each of 1 epochs, has 2"),
        (
            lambda log: log.drop(columns="test_top5"),
            "numbers in the columns test_accuracy, test_top5",
        ),
        (lambda log: log.assign(test_accuracy="high"), "numbers in the columns"),
    ],
)
def test_a_log_that_was_edited_with_its_digest(run: StoredRun, change: object, match: str) -> None:
    file = run.config.out / "history.parquet"
    assert callable(change)
    change(pd.read_parquet(file)).to_parquet(file)
    resealed(run.config.out)
    refused(run, match)


def test_numbers_beside_a_run_that_are_none(run: StoredRun) -> None:
    file = run.config.out.with_name(f"{run.config.out.name}.seconds")
    file.write_text("soon")
    with pytest.raises(StripeError, match=r"seconds must hold the seconds of a run"):
        run_seconds(run)


def test_weights_that_were_removed_from_a_finished_run(finished: TrainConfig) -> None:
    (finished.out / WEIGHTS).unlink()
    with pytest.raises(StripeError, match=r"model\.safetensors is missing; .* with --resume"):
        verify_run(finished.out)
    train(finished, resume=True, progress=False)
    assert set(verify_run(finished.out)["state"]) == {"whole"}


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[[TrainConfig], TrainConfig]:
    """Return a function that trains a run until SIGTERM stops it after three steps."""

    def stop(config: TrainConfig) -> TrainConfig:
        steps = iter(range(100))

        def terminated(*args: Any, **options: Any) -> torch.Tensor:
            if next(steps) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return train_step(*args, **options)

        with monkeypatch.context() as patched:
            patched.setattr(loop, "train_step", terminated)
            with pytest.raises(SystemExit):
                train(config, progress=False)
        return config

    return stop


def swapped(one: TrainConfig, other: Path) -> None:
    """Put the checkpoint of another run into the place of that of a run."""
    shutil.rmtree(one.out / "checkpoint")
    shutil.copytree(other / "checkpoint", one.out / "checkpoint")


@pytest.mark.parametrize("record", [False, True])
def test_a_checkpoint_of_another_run(
    record: bool, tmp_path: Path, fashion: Path, stopped: Callable[[TrainConfig], TrainConfig]
) -> None:
    a = replace(settings(tmp_path / "a", fashion), record=record, epochs=1)
    b = replace(a, out=tmp_path / "b", seed=7, lr=0.3)
    stopped(a)
    shutil.copytree(a.out, tmp_path / "copy")
    swapped(a, stopped(b).out)
    refused_everywhere(a, r"is a checkpoint of another run .* remove")
    swapped(a, tmp_path / "copy")
    train(a, resume=True, progress=False)
    assert set(verify_run(a.out)["state"]) == {"whole"}


def refused_everywhere(config: TrainConfig, match: str) -> None:
    """Check that a run is named by `verify` and not resumed, in one line."""
    for use in (lambda: verify_run(config.out), lambda: train(config, resume=True, progress=False)):
        with pytest.raises(StripeError, match=match) as said:
            use()
        assert "\n" not in str(said.value)


def test_a_recording_of_another_run(finished: TrainConfig, tmp_path: Path) -> None:
    a, path = finished, finished.out / "recording"
    b = replace(a, out=tmp_path / "b", lr=0.3)
    train(b, progress=False)
    kept = path.rename(tmp_path / "kept")
    refused_everywhere(a, r"recording is missing, though .*config\.json says")
    assert not path.exists()
    shutil.copytree(b.out / "recording", path)
    refused_everywhere(a, r"of another run than .*\(epoch 1 has other weights than .*restore both")
    shutil.rmtree(path)
    with RecordingWriter(path, Header(gates=(GATE,), seed=7)) as writer:
        written(writer, 1)
    refused_everywhere(a, r"of another run than .*\(its seed is 7, not 0\)")
    shutil.rmtree(path)
    with RecordingWriter(path, Header(gates=(GATE,), dataset="stl10/test")) as writer:
        written(writer, 0)
        refused_everywhere(a, r"must hold epoch 1, which its run has finished, and ends with 0")
        written(writer, 1)
    refused_everywhere(a, r"of another run than .*\(its data set is stl10, not fashion_mnist\)")
    shutil.rmtree(path)
    kept.rename(path)
    assert set(verify_run(a.out)["state"]) == {"whole"}


def test_a_recording_of_another_run_beside_a_checkpoint(
    finished: TrainConfig, tmp_path: Path
) -> None:
    """The finished epoch of an unfinished run has the weights of its checkpoint."""
    (finished.out / WEIGHTS).unlink()
    write_manifest(finished.out, digests_of(finished.out, ("config.json",)))
    assert set(verify_run(finished.out)["state"]) == {"whole"}
    path = finished.out / "recording"
    path.rename(tmp_path / "kept")
    refused_everywhere(finished, r"recording is missing")
    with RecordingWriter(path, Header(gates=(GATE,))) as writer:
        written(writer, 1, weights="0" * 64)
    refused_everywhere(finished, r"epoch 1 has other weights than .*checkpoint/epoch=00001")
    shutil.rmtree(path)
    (tmp_path / "kept").rename(path)
    train(finished, resume=True, progress=False)
    assert set(verify_run(finished.out)["state"]) == {"whole"}


def test_a_checkpoint_that_does_not_name_its_run(
    tmp_path: Path, fashion: Path, stopped: Callable[[TrainConfig], TrainConfig]
) -> None:
    """As earlier versions wrote them, in a run that was moved since."""
    config = stopped(replace(settings(tmp_path / "run", fashion), epochs=1))
    last = latest_checkpoint(config.out / "checkpoint")
    assert last is not None
    digests = read_manifest(last) or {}
    assert digests.pop(OF_RUN) == digests_of(config.out, ("config.json",))["config.json"]
    write_manifest(last, digests)
    moved = replace(config, out=config.out.rename(tmp_path / "moved"))
    assert set(verify_run(moved.out)["state"]) == {"whole"}
    train(moved, resume=True, progress=False)
    assert set(verify_run(moved.out)["state"]) == {"whole"}


def test_a_finished_run_without_its_log(finished: TrainConfig) -> None:
    (finished.out / "history.parquet").unlink()
    refused_everywhere(finished, r"history\.parquet is missing; restore it from a copy")
    (finished.out / MANIFEST).unlink()  # as in a run from before there were any
    assert train(finished, resume=True, progress=False).history.empty


def test_a_manifest_names_files_beside_it_alone(finished: TrainConfig) -> None:
    manifest = finished.out / MANIFEST
    manifest.write_text(manifest.read_text() + f"{'0' * 64}  /etc/passwd\n")
    with pytest.raises(StripeError, match=r"manifest\.sha256 is damaged"):
        verify_run(finished.out)


def test_a_configuration_that_calls_a_function_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a manifest that fits; nothing of the library is imported or called, trusted or not."""
    config = TrainConfig(backbone="os:abort", out=tmp_path / "run")
    open_run(config, resume=False)
    (config.out / WEIGHTS).touch()
    (config.out / MANIFEST).unlink()
    with pytest.raises(ModelError, match="is the function 'os:abort'"):
        trained_network(config.out)
    monkeypatch.setenv("STRIPE_TRUST", "os:abort")
    with pytest.raises(ModelError, match="a function of your own module, got 'os:abort'"):
        trained_network(config.out)


def test_headers_and_heads_of_many_entries_take_no_time() -> None:
    """What is compared with each other is counted, in a second and not in hours."""
    gate = RecordedGate(name="g", owner="", owner_class="", channels=1)
    check_header(Header(gates=tuple(replace(gate, name=str(n)) for n in range(100_000))))
    epochs = tuple(range(300_000))
    log = Log.__new__(Log)
    log._layout, log._header_digest = None, "0"  # type: ignore[assignment]
    assert log._problem(LogState(None, epochs, epochs, (), epochs)) is None
