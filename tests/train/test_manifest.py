"""One bit of any file of a run, turned: an error wherever the file is read."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from stripe.cli.options.load_network import load_network
from stripe.errors import StripeError
from stripe.reproduce.store.measurement import Measurement, perform
from stripe.reproduce.store.runs import StoredRun
from stripe.train import TrainConfig, train
from stripe.train.checkpoint import latest_checkpoint, load_checkpoint
from stripe.train.log import read_history
from stripe.train.manifest import MANIFEST, checked, read_manifest, write_manifest
from stripe.train.run import read_config
from stripe.train.trained import open_trained
from stripe.train.verify import UNCHECKED, verify_run
from stripe.train.weights import load_weights

#: Bits of each file that are turned; the whole count was 200 and is in the change's description.
FLIPS = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """Return a finished run of the smallest kind."""
    config = TrainConfig(
        backbone="resnet11",
        attention="se",
        epochs=1,
        limit=20,
        batch_size=10,
        precision="fp32",
        device="cpu",
        out=tmp_path_factory.mktemp("finished") / "run",
    )
    train(config, progress=False)
    return config


@pytest.fixture
def copy(run: TrainConfig, tmp_path: Path) -> TrainConfig:
    shutil.copytree(run.out, tmp_path / "run")
    return replace(run, out=tmp_path / "run")


def checkpoint_of(config: TrainConfig) -> Path:
    found = latest_checkpoint(config.out / "checkpoint")
    assert found is not None
    return found


def resume(config: TrainConfig) -> None:
    """Load a checkpoint as a run that goes on does."""
    model = load_network(str(config.out), weights=None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=False)
    load_checkpoint(checkpoint_of(config), model, optimizer, config.epochs)


#: From a file to what reads it.
READERS: dict[str, Callable[[TrainConfig], object]] = {
    "config.json": lambda config: read_config(config.out / "config.json", TrainConfig),
    "history.parquet": lambda config: StoredRun(config).scores,
    "model.safetensors": lambda config: load_network(str(config.out)),
    "checkpoint/model.safetensors": resume,
    "checkpoint/state.pt": resume,
    "manifest.sha256": lambda config: verify_run(config.out),
    "checkpoint/manifest.sha256": lambda config: verify_run(config.out),
}


def file_of(config: TrainConfig, name: str) -> Path:
    folder, _, file = name.rpartition("/")
    return (checkpoint_of(config) if folder else config.out) / file


def flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("name", READERS)
def test_a_flipped_bit_is_an_error(name: str, copy: TrainConfig) -> None:
    file, read, rng = file_of(copy, name), READERS[name], random.Random(name)
    read(copy)
    content = file.read_bytes()
    for _ in range(FLIPS):
        file.write_bytes(flip(content, rng))
        with pytest.raises(StripeError, match=r"not the file that was written|is damaged|missing"):
            read(copy)
        with pytest.raises(StripeError):
            verify_run(copy.out)


def test_every_way_to_the_weights_is_checked(copy: TrainConfig) -> None:
    weights = copy.out / "model.safetensors"
    weights.write_bytes(flip(weights.read_bytes(), random.Random(1)))
    ways: list[Callable[[], object]] = [
        lambda: train(copy, resume=True, progress=False),
        lambda: open_trained(copy.out, device="cpu"),
        lambda: load_network(str(copy.out)),
        lambda: load_network("resnet11", attention="se", num_classes=10, weights=weights),
        lambda: load_network(str(copy.out), weights=weights),
    ]
    for way in ways:
        with pytest.raises(StripeError, match="is not the file that was written") as caught:
            way()
        assert str(weights) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_edited_configuration_says_what_to_do(copy: TrainConfig, tmp_path: Path) -> None:
    file = copy.out / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "lr": 0.5}))
    with pytest.raises(StripeError, match="copy the file elsewhere and start another run"):
        train(copy, resume=True, progress=False)
    shutil.copy(file, tmp_path / "mine.json")
    assert read_config(tmp_path / "mine.json", TrainConfig).lr == 0.5


def test_a_run_of_before_there_were_manifests(copy: TrainConfig) -> None:
    for manifest in copy.out.rglob(MANIFEST):
        manifest.unlink()
    assert set(verify_run(copy.out)["state"]) == {UNCHECKED}
    for read in READERS.values():
        read(copy)
    (copy.out / "model.safetensors").unlink()  # it goes on, and gets a manifest when it ends
    train(copy, resume=True, progress=False)
    assert "whole" in set(verify_run(copy.out)["state"])


def test_a_finished_run_is_whole(run: TrainConfig) -> None:
    table = verify_run(run.out)
    assert set(table["state"]) == {"whole"}
    assert {Path(file).name for file in table["file"]} == {
        *("config.json", "history.csv", "history.parquet", "model.safetensors", "state.pt"),
    }


def test_what_happened_to_the_configuration_in_a_long_run_is_noticed(copy: TrainConfig) -> None:
    """The last manifest keeps the digest of when the configuration was written."""
    (copy.out / "model.safetensors").unlink()
    file = copy.out / "config.json"
    before = file.read_bytes()
    file.write_bytes(before.replace(b'"lr": 0.1', b'"lr": 0.3'))
    with pytest.raises(StripeError, match="is not the file that was written"):
        train(copy, resume=True, progress=False)
    file.write_bytes(before)
    train(copy, resume=True, progress=False)
    assert (read_manifest(copy.out) or {})["config.json"] == (read_manifest(copy.out) or {}).get(
        "config.json"
    )
    assert set(verify_run(copy.out)["state"]) == {"whole"}


def test_a_file_of_the_users_own_in_a_run_is_not_checked(copy: TrainConfig) -> None:
    own = copy.out / "mine.safetensors"
    shutil.copy(copy.out / "model.safetensors", own)
    assert checked(own) == own
    load_network(str(copy.out), weights=own)


def test_a_file_that_a_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    write_manifest(tmp_path, {"cpnfig.json": "0" * 64})
    with pytest.raises(StripeError, match="is not the file that was written"):
        checked(tmp_path / "config.json")


class _Once(Measurement):
    LEAVES = ("kept.txt",)

    def measure(self) -> dict[str, float]:
        (self.out / "kept.txt").write_text("kept")
        return {"eta2": 0.5}


def test_a_measurement_has_a_manifest(tmp_path: Path) -> None:
    once = _Once(out=tmp_path / "once")
    perform(once)
    perform(once)  # what it left itself is no obstacle
    assert StoredRun(once).scores == {"eta2": {"mean": 0.5}}
    assert set(verify_run(once.out)["file"]) == {"config.json", "kept.txt", "measured.json"}
    file = once.out / "measured.json"
    file.write_bytes(file.read_bytes().replace(b"0.5", b"0.7"))
    with pytest.raises(StripeError, match="is not the file that was written"):
        _ = StoredRun(once).scores


def test_a_measurement_deletes_what_it_left_itself_alone(tmp_path: Path) -> None:
    once = _Once(out=tmp_path / "once")
    perform(once)
    (once.out / "notes.txt").write_text("mine")
    with pytest.raises(StripeError, match="must be a new or empty directory"):
        perform(once)
    assert (once.out / "notes.txt").read_text() == "mine"
    (tmp_path / "link").symlink_to(once.out)
    with pytest.raises(StripeError, match="is a link"):
        perform(_Once(out=tmp_path / "link"))


def test_weights_of_another_network_are_still_named(copy: TrainConfig) -> None:
    with pytest.raises(StripeError, match="weights of another network"):
        load_weights(copy.out / "model.safetensors", nn.Linear(2, 2))


def test_the_log_of_a_finished_run_is_checked(copy: TrainConfig) -> None:
    assert read_history(copy.out)["epoch"].tolist() == [1]
