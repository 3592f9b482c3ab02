"""What somebody else keeps beside checkpoints, or behind links, stays."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from stripe.errors import StripeError
from stripe.train import TrainConfig, train
from stripe.train.checkpoint import TrainingState, latest_checkpoint, save_checkpoint
from stripe.train.finish import finish_run
from stripe.train.log import write_history
from stripe.train.precision import with_precision
from stripe.train.run import open_run


@pytest.fixture
def model() -> nn.Module:
    return nn.Linear(3, 2)


@pytest.fixture
def thesis(tmp_path: Path) -> Path:
    """Return a folder of somebody's work, which has to be as it was when a test ends."""
    folder = tmp_path / "thesis"
    (folder / "epoch=00001-batch=0000000").mkdir(parents=True)
    (folder / "chapter.tex").write_text("years of work")
    (folder / "epoch=00001-batch=0000000" / "state.pt").write_text("of another program")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_lies_beside_a_checkpoint_stays(tmp_path: Path, model: nn.Module) -> None:
    folder = tmp_path / "checkpoint"
    foreign = [
        "my-best/model.pt",
        "epoch=best/model.pt",
        "epoch=00001-batch=0000000-copy/model.safetensors",
        "epoch=1-batch=0/notes",
        "staging-notes/x",
    ]
    for name in foreign:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("mine")
    (folder / "notes.txt").write_text("mine")
    for epoch in range(3):
        save_checkpoint(folder, model, TrainingState(epoch=epoch))
    last = latest_checkpoint(folder)
    assert last is not None
    assert last.name == "epoch=00002-batch=0000000"
    assert all((folder / name).read_text() == "mine" for name in (*foreign, "notes.txt"))
    ours = {path.name for path in folder.iterdir()} - {Path(name).parts[0] for name in foreign}
    assert ours == {"notes.txt", last.name}


def test_what_lies_in_an_old_checkpoint_stays(tmp_path: Path, model: nn.Module) -> None:
    save_checkpoint(tmp_path, model, TrainingState(epoch=1))
    old = tmp_path / "epoch=00001-batch=0000000"
    (old / "notes.txt").write_text("mine")
    save_checkpoint(tmp_path, model, TrainingState(epoch=2))
    assert (old / "notes.txt").read_text() == "mine"
    last = latest_checkpoint(tmp_path)
    assert last is not None
    assert last.name == "epoch=00002-batch=0000000"


def test_staging_of_somebody_else_is_refused(tmp_path: Path, model: nn.Module) -> None:
    (tmp_path / "staging" / "thesis").mkdir(parents=True)
    for use in (latest_checkpoint, lambda folder: save_checkpoint(folder, model, TrainingState())):
        with pytest.raises(StripeError, match="holds other files; move them elsewhere"):
            use(tmp_path)
    assert (tmp_path / "staging" / "thesis").is_dir()


def test_what_a_killed_writer_left_is_no_obstacle(tmp_path: Path, model: nn.Module) -> None:
    """Also the file that safetensors renames when it is written."""
    staging = tmp_path / "staging"
    staging.mkdir()
    for name in (".tmpI9EkdT", "model.safetensors", "state.pt", "manifest.sha256.draft"):
        (staging / name).write_bytes(b"half")
    assert latest_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, model, TrainingState())
    assert not staging.exists()
    last = latest_checkpoint(tmp_path)
    assert last is not None
    weights = last / "model.safetensors"
    assert {path.name for path in last.iterdir()} == {weights.name, "state.pt", "manifest.sha256"}
    assert weights.stat().st_mode == (last / "state.pt").stat().st_mode


def test_a_checkpoint_of_more_than_99999_epochs_is_the_last(
    tmp_path: Path, model: nn.Module
) -> None:
    for epoch in (99_999, 100_000):
        save_checkpoint(tmp_path, model, TrainingState(epoch=epoch))
    last = latest_checkpoint(tmp_path)
    assert last is not None
    assert last.name == "epoch=100000-batch=0000000"


@pytest.mark.parametrize(
    "where", ["", "staging", "epoch=00001-batch=0000000", "epoch=00002-batch=0000000"]
)
def test_links_are_refused(where: str, tmp_path: Path, model: nn.Module, thesis: Path) -> None:
    before = contents(thesis)
    link = tmp_path / "checkpoint" / where
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(thesis)
    with pytest.raises(StripeError, match="is a link"):
        latest_checkpoint(tmp_path / "checkpoint")
    if where != "epoch=00001-batch=0000000":  # that one is not ours to remove, and is left
        with pytest.raises(StripeError, match="is a link"):
            save_checkpoint(tmp_path / "checkpoint", model, TrainingState(epoch=2))
    else:
        save_checkpoint(tmp_path / "checkpoint", model, TrainingState(epoch=2))
    assert link.is_symlink()
    assert contents(thesis) == before


@pytest.mark.parametrize("folder", ["staging", "epoch=00001-batch=0000000"])
@pytest.mark.parametrize("name", ["state.pt", "model.safetensors", "manifest.sha256.draft"])
def test_linked_files_are_left(
    folder: str, name: str, tmp_path: Path, model: nn.Module, thesis: Path
) -> None:
    before = contents(thesis)
    link = tmp_path / folder / name
    link.parent.mkdir()
    link.symlink_to(thesis / "chapter.tex")
    if folder == "staging":
        with pytest.raises(StripeError, match="holds other files"):
            save_checkpoint(tmp_path, model, TrainingState(epoch=2))
    else:
        save_checkpoint(tmp_path, model, TrainingState(epoch=2))
    assert link.is_symlink()
    assert contents(thesis) == before


@pytest.mark.parametrize(
    "name", ["model.safetensors", "history.csv", "history.parquet", "manifest.sha256"]
)
def test_drafts_that_are_links_are_refused(
    name: str, tmp_path: Path, model: nn.Module, thesis: Path
) -> None:
    before = contents(thesis)
    (tmp_path / f"{name}.draft").symlink_to(thesis / "chapter.tex")
    with pytest.raises(StripeError, match=f"{name}.draft is a link"):
        finish_run(tmp_path, model, [{"epoch": 1}])
    assert contents(thesis) == before


def test_a_run_is_not_begun_through_a_link(tmp_path: Path, thesis: Path) -> None:
    before = contents(thesis)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json.draft").symlink_to(thesis / "chapter.tex")
    with pytest.raises(StripeError, match="is a link"):
        open_run(TrainConfig(out=tmp_path / "run"), resume=False)
    assert contents(thesis) == before


@pytest.mark.parametrize(
    "name", ["model.safetensors", "history.csv", "history.parquet", "manifest.sha256"]
)
def test_drafts_with_a_second_name_are_not_written_through(
    name: str, tmp_path: Path, model: nn.Module, thesis: Path
) -> None:
    before = contents(thesis)
    (tmp_path / f"{name}.draft").hardlink_to(thesis / "chapter.tex")
    finish_run(tmp_path, model, [{"epoch": 1}])
    assert contents(thesis) == before


@pytest.mark.parametrize("name", ["recording", "tensorboard"])
def test_nothing_is_written_into_linked_folders_of_a_run(
    name: str, tmp_path: Path, fashion: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    config = TrainConfig(
        dataset="fashion_mnist", data_root=fashion, epochs=1, limit=8, record=name == "recording",
        attention="se", tensorboard=name == "tensorboard", device="cpu", out=tmp_path / "run",
    )  # fmt: skip
    open_run(config, resume=False)
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StripeError, match=f"{name} is a link"):
        train(with_precision(config, torch.device("cpu"), resume=True), resume=True)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_log_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path, thesis: Path) -> None:
    before = contents(thesis)
    os.symlink(thesis / "chapter.tex", tmp_path / "history.csv")
    write_history(tmp_path, [{"epoch": 1}])
    assert contents(thesis) == before
