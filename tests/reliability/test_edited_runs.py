"""Runs that were moved, edited or cut, also together with their digests."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stripe.errors import ModelError, StripeError
from stripe.recording import Gate, Header
from stripe.recording.forms import check_header
from stripe.recording.log import Log, Seen
from stripe.reproduce.store.cost import seconds_of
from stripe.reproduce.store.runs import StoredRun, stored
from stripe.train import TrainConfig, train
from stripe.train.manifest import MANIFEST, digests_of, read_manifest, write_manifest
from stripe.train.run import WEIGHTS, open_run
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
        seconds_of(run)


def test_weights_that_were_removed_from_a_finished_run(finished: TrainConfig) -> None:
    (finished.out / WEIGHTS).unlink()
    with pytest.raises(StripeError, match=r"model\.safetensors is missing; .* with --resume"):
        verify_run(finished.out)
    train(finished, resume=True, progress=False)
    assert set(verify_run(finished.out)["state"]) == {"whole"}


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
    gate = Gate(name="g", owner="", owner_class="", channels=1)
    check_header(Header(gates=tuple(replace(gate, name=str(n)) for n in range(100_000))))
    epochs = tuple(range(300_000))
    log = Log.__new__(Log)
    log._layout, log._header_digest = None, "0"  # type: ignore[assignment]
    assert log._problem(Seen(epochs, epochs, (), epochs)) is None
