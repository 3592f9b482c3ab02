"""Runs that begin with the weights of another run or of a file."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import VisionTransformer

import stripe
from stripe.errors import ModelError, StripeError
from stripe.reproduce.engines import Local
from stripe.reproduce.engines.order import in_order, is_ready
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.reproduction import reproduction
from stripe.reproduce.store.runs import StoredRun, address, stored
from stripe.train import TrainConfig, loop, train
from stripe.train.checkpoint import latest_checkpoint
from stripe.train.initial import start_from
from stripe.train.recipes import BEGINS_WITH, RECIPES
from stripe.train.step import train_step


def settings(out: Path, **fields: Any) -> TrainConfig:
    common: dict[str, Any] = {
        "backbone": "resnet11", "attention": "se", "epochs": 1, "limit": 20, "batch_size": 10,
        "precision": "fp32", "device": "cpu",
    }  # fmt: skip
    return TrainConfig(**{**common, **fields}, out=out)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    config = settings(tmp_path_factory.mktemp("first") / "run")
    train(config, progress=False)
    return config


def vit(side: int, classes: int = 10) -> nn.Module:
    model: nn.Module = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=side,
        num_classes=classes,
        embed_dim=12,
        num_heads=2,
        depth=1,
    )
    return model


def written(model: nn.Module, file: Path) -> Path:
    save_file({name: value.clone() for name, value in model.state_dict().items()}, file)
    return file


@pytest.mark.parametrize("what", ["a run", "a file", "a file of torch"])
def test_a_run_begins_where_another_ended(what: str, first: TrainConfig, tmp_path: Path) -> None:
    """With a learning rate of zero it stays there."""
    saved = load_file(first.out / "model.safetensors")
    torch.save({"state_dict": saved}, tmp_path / "w.pt")
    initial = {
        "a run": first.out, "a file": first.out / "model.safetensors",
        "a file of torch": tmp_path / "w.pt",
    }[what]  # fmt: skip
    config = settings(tmp_path / "run", initial=initial, lr=0.0, seed=5)
    model = train(config, progress=False).model
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, saved[name]), name


def test_position_embeddings_are_resampled(tmp_path: Path) -> None:
    small, large = vit(64), vit(96)
    file = written(small, tmp_path / "small.safetensors")
    assert start_from(file, large, 10) == []
    old, new = small.state_dict()["pos_embed"], large.state_dict()["pos_embed"]
    assert (old.shape[1], new.shape[1]) == (17, 37)
    assert torch.equal(old[:, 0], new[:, 0])  # of the class, which has no place
    expected = nn.functional.interpolate(
        old[:, 1:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2), (6, 6), mode="bicubic", antialias=True
    )
    torch.testing.assert_close(new[:, 1:], expected.permute(0, 2, 3, 1).reshape(1, 36, -1))
    for name, value in small.state_dict().items():
        if name != "pos_embed":
            assert torch.equal(value, large.state_dict()[name])


def test_torchvisions_position_embeddings_too(tmp_path: Path) -> None:
    small, large = (VisionTransformer(side, 16, 1, 2, 12, 12, num_classes=3) for side in (32, 64))
    assert start_from(written(small, tmp_path / "s.safetensors"), large, 3) == []
    assert large.state_dict()["encoder.pos_embedding"].shape == (1, 17, 12)


def test_the_layer_of_other_classes_starts_anew(tmp_path: Path) -> None:
    old, new = (stripe.build("resnet11", num_classes=count, seed=count) for count in (10, 4))
    drawn = new.state_dict()["fc.weight"].clone()
    anew = start_from(written(old, tmp_path / "old.safetensors"), new, 4)
    assert anew == ["fc.weight", "fc.bias"]
    assert torch.equal(new.state_dict()["fc.weight"], drawn)
    assert torch.equal(new.state_dict()["conv1.weight"], old.state_dict()["conv1.weight"])


def test_that_is_told(
    first: TrainConfig, fashion: Path, tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    other = stripe.build("resnet11", attention="se", num_classes=7, in_channels=1, image_size=28)
    file = written(other, tmp_path / "w.safetensors")
    code, said = run(
        "train", "--config", first.out / "config.json", "--initial", file, "--out", tmp_path / "r"
    )
    assert code == 0, said
    assert "start anew, for other classes: fc.weight, fc.bias" in said


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"attention": "eca"}, "is in only one of the two"),
        ({"in_channels": 3}, r"conv1.weight must have the shape \(16, 1, 3, 3\), got"),
        ({"backbone": "resnet20"}, "is in only one of the two"),
    ],
)
def test_other_networks_are_refused(other: dict[str, Any], message: str, tmp_path: Path) -> None:
    fields = {"backbone": "resnet11", "attention": "se", "in_channels": 1, "num_classes": 10}
    file = written(stripe.build(**{**fields, **other}), tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=message):
        train(settings(tmp_path / "run", initial=file), progress=False)
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_not_finished_is_no_beginning(tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    for missing in ("begun", "nowhere"):
        with pytest.raises(StripeError, match="finished run or a file of weights"):
            train(settings(tmp_path / "run", initial=tmp_path / missing), progress=False)


def test_a_stopped_run_goes_on_from_its_own_weights(
    first: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, and also where the run that it began with is gone."""
    shutil.copytree(first.out, tmp_path / "first")
    whole = settings(tmp_path / "whole", initial=tmp_path / "first", epochs=2)
    train(whole, progress=False)
    stopped = replace(whole, out=tmp_path / "stopped")
    taken = iter(range(100))

    def terminated(*args: Any, **options: Any) -> torch.Tensor:
        if next(taken) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_step(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "train_step", terminated)
        with pytest.raises(SystemExit):
            train(stopped, progress=False)
    shutil.rmtree(tmp_path / "first")
    train(stopped, resume=True, progress=False)
    one, other = (load_file(c.out / "model.safetensors") for c in (whole, stopped))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_other_weights_of_the_same_name_are_other_settings(
    first: TrainConfig, tmp_path: Path
) -> None:
    """Before the first checkpoint, and after it."""
    for place in ("a", "b"):
        shutil.copytree(first.out, tmp_path / place / "first")
    file = tmp_path / "b/first/model.safetensors"
    values = load_file(file)
    (tmp_path / "b/first/manifest.sha256").unlink()
    save_file({**values, "fc.bias": values["fc.bias"] + 1}, file)
    config = settings(tmp_path / "run", initial=tmp_path / "a/first")
    train(config, progress=False)
    elsewhere = replace(config, initial=tmp_path / "b/first")
    with pytest.raises(StripeError, match=r"other settings \(the weights of initial"):
        train(elsewhere, resume=True, progress=False)
    (config.out / "model.safetensors").unlink()
    last = latest_checkpoint(config.out / "checkpoint")
    assert last is not None
    shutil.rmtree(last)
    with pytest.raises(StripeError, match=r"other settings \(the weights of initial"):
        train(elsewhere, resume=True, progress=False)
    shutil.move(tmp_path / "a", tmp_path / "moved")  # the same weights elsewhere are the same
    train(replace(config, initial=tmp_path / "moved/first"), resume=True, progress=False)
    assert json.loads((config.out / "config.json").read_text())["initial_sha256"]


def test_an_address_depends_on_the_other_runs_address_and_not_on_its_path(tmp_path: Path) -> None:
    base = settings(tmp_path)
    names = [Path(address(replace(base, seed=seed))) for seed in (0, 1)]
    one, other = (replace(base, epochs=2, initial=name) for name in names)
    assert address(one) != address(other)
    assert address(one) != address(replace(one, initial=None))
    placed = stored(one, tmp_path / "store").config
    assert isinstance(placed, TrainConfig)
    assert placed.initial == tmp_path / "store" / names[0]
    assert address(placed) == address(one) == placed.out.name


@pytest.mark.slow
def test_a_sweep_does_the_run_first_that_another_begins_with(tmp_path: Path) -> None:
    base = settings(Path("x"), lr=0.0)
    second = replace(base, seed=1, initial=Path(address(base)))
    third = replace(base, seed=2, initial=Path(address(second)))
    runs = [stored(config, tmp_path) for config in (third, second, base)]
    assert [run.config.seed for run in in_order(runs)] == [0, 1, 2]
    assert [is_ready(run) for run in runs] == [False, False, True]
    broken = [*runs[:2], StoredRun(replace(runs[2].config, psi="oops"))]  # type: ignore[type-var]
    Local(workers=1).run(broken, progress=False)
    assert [run.state for run in broken] == ["missing", "missing", "failed"]
    Local(workers=1).run(runs, progress=False)
    assert {run.state for run in runs} == {"finished"}
    first, last = (load_file(run.config.out / "model.safetensors") for run in (runs[2], runs[0]))
    assert torch.equal(first["fc.weight"], last["fc.weight"])


def test_vit_b_at_384_begins_with_the_network_of_224(tmp_path: Path) -> None:
    found = reproduction(exhibit("table2"), SCALES["paper"], store=tmp_path)
    assert found.without == 0
    assert len(found.runs) == len(found.exhibit.cells)
    begins = 0
    for cell, runs in found.runs.items():
        if cell.setting != "image_size=384":
            continue
        for run, before in zip(runs, found.runs[cell.but(setting="image_size=224")], strict=True):
            assert isinstance(run.config, TrainConfig)
            assert run.config.initial == before.config.out
            assert run.config.seed == before.config.seed
            begins += 1
    assert begins == 4 * SCALES["paper"].seeds
    (recipe,) = BEGINS_WITH
    assert (RECIPES[recipe].image_size, RECIPES[BEGINS_WITH[recipe]].image_size) == (384, 224)


def test_a_recipe_that_fine_tunes_needs_what_it_fine_tunes(
    tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    code, said = run("train", "--recipe", "imagenet/vit_b_16_384", "--out", tmp_path / "run")
    assert code == 1
    assert "fine-tunes; give --initial, a run of imagenet/vit_b_16" in said
