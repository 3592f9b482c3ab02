"""Style runs: resumed to the bit, applied to files, compared."""

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
from PIL import Image
from safetensors.torch import load_file

from stripe.errors import DataError, StripeError
from stripe.style import StyleConfig, compare, open_style, train_and_compare, train_style
from stripe.style import train as loop
from stripe.style.comparison import high_frequency
from stripe.style.photographs import Photographs


@pytest.fixture
def config(tmp_path: Path) -> StyleConfig:
    rng = np.random.default_rng(0)
    folder = tmp_path / "photographs"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "deeper/c.png"):
        pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return StyleConfig(
        content=folder,
        style=folder / "a.png",
        features="random:4",
        size=16,
        width=4,
        steps=5,
        batch_size=2,
        sample_every=2,
        workers=0,
        precision="fp32",
        out=tmp_path / "run",
    )


def test_a_run_learns_and_leaves_its_log(config: StyleConfig) -> None:
    run = train_style(replace(config, steps=30, sample_every=10), progress=False)
    assert run.history["step"].tolist() == [10, 20, 30]
    weighted = run.history["content"] + 5 * run.history["style"] + run.history["variation"]
    assert weighted.iloc[-1] < weighted.iloc[0]
    pd.testing.assert_frame_equal(run.history, pd.read_parquet(config.out / "history.parquet"))
    assert sorted(path.name for path in (config.out / "samples").iterdir()) == [
        f"step=0000{step}.png" for step in (10, 20, 30)
    ]
    opened = open_style(config.out, device="cpu")
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, opened.network.state_dict()[name])


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [0, 1, 3])
def test_a_stopped_run_goes_on_to_the_bit(
    stop_at: int, config: StyleConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a round, at its end, and in the next one; worker processes outlive it."""
    config = replace(config, workers=1)
    train_style(config, progress=False)
    stopped = replace(config, out=tmp_path / "stopped")
    taken = iter(range(100))
    losses = loop._weighted

    def terminated(*args: Any) -> torch.Tensor:
        if next(taken) == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses(*args)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "_weighted", terminated)
        with pytest.raises(SystemExit):
            train_style(stopped, progress=False)
    train_style(stopped, resume=True, progress=False)
    whole, resumed = (load_file(run.out / "model.safetensors") for run in (config, stopped))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    logs = [pd.read_csv(run.out / "history.csv") for run in (config, stopped)]
    pd.testing.assert_frame_equal(logs[0], logs[1], check_exact=True)
    with monkeypatch.context() as patched:
        patched.delattr(loop, "_weighted")  # a finished run trains no step
        train_style(stopped, resume=True, progress=False)
        shutil.rmtree(stopped.out / "checkpoint")
        again = train_style(stopped, resume=True, progress=False)
    assert again.history["step"].tolist() == [2, 4, 5]
    with pytest.raises(StripeError, match=r"other settings \(lr"):
        train_style(replace(stopped, lr=0.5), resume=True, progress=False)


def test_photographs_of_one_name_have_numbers(tmp_path: Path) -> None:
    for name in ("a-1.png", "a.jpg", "a.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert Photographs(tmp_path).names(2) == ["a-1", "a"]
    assert Photographs(tmp_path).names(3) == ["0-a-1", "1-a", "2-a"]


def test_crops_depend_on_the_step_alone(config: StyleConfig) -> None:
    photographs = Photographs(config.content)
    whole = list(photographs.batches(16, 2, range(5), seed=3))
    rest = list(photographs.batches(16, 2, range(3, 5), seed=3, workers=1))
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], rest, strict=True))
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(whole[0], next(iter(photographs.batches(16, 2, range(1), seed=4))))


def test_bad_inputs(config: StyleConfig, tmp_path: Path) -> None:
    def refused(message: str, **fields: Any) -> None:
        with pytest.raises(DataError, match=message):
            train_style(replace(config, out=tmp_path / "new", **fields), progress=False)

    refused("content must be a folder of photographs", content=tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    refused("holds no images", content=tmp_path / "empty")
    refused("style must be an image file", style=tmp_path / "gone.png")
    text = tmp_path / "text.png"
    text.write_text("no image")
    refused("text.png cannot be read as an image", style=text)
    with pytest.raises(StripeError, match="out must not be in content"):
        replace(config, out=(config.content or tmp_path) / "run")
    with pytest.raises(StripeError, match="unknown attention"):
        train_style(replace(config, attention="best"), progress=False)
    assert not config.out.exists()
    (config.content or tmp_path).joinpath("deeper", "c.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"c.png cannot be read as an image") as caught:
        train_style(replace(config, workers=1), progress=False)
    assert "\n" not in str(caught.value)
    with pytest.raises(StripeError, match="size must be at least 16"):
        replace(config, size=8)
    with pytest.raises(StripeError, match="is not a run of stripe style train"):
        open_style(tmp_path)
    for content in (b"\xff\xfe", b'"variant" \xff'):
        (tmp_path / "config.json").write_bytes(content)
        with pytest.raises(StripeError) as raised:
            open_style(tmp_path)
        assert "\n" not in str(raised.value)


def test_high_frequency_falls_when_an_image_is_blurred() -> None:
    sharp = torch.rand(3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)
    assert high_frequency(blurred) < 0.5 * high_frequency(sharp)
    waves = torch.sin(torch.arange(32) * 2 * np.pi * 3 / 8).expand(3, 32, 32)
    assert high_frequency(waves) == pytest.approx(1, abs=1e-4)  # 3 / 8 cycles per pixel


def test_apply_stylises_files_at_their_own_size(
    config: StyleConfig, tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    train_style(config, progress=False)
    folder = config.content
    assert folder is not None
    out = tmp_path / "painted"
    command = ("style", "apply", config.out, "--out", out)
    code, said = run(*command, folder / "a.png", folder / "deeper")
    assert (code, f"2 images in {out}" in said) == (0, True)
    assert {path.name for path in out.iterdir()} == {"a.png", "c.png"}
    with Image.open(out / "a.png") as painted:
        assert painted.size == (50, 40)
        assert "random weights" in painted.text["Comment"]  # type: ignore[attr-defined]
    Image.fromarray(np.zeros((3, 5, 3), np.uint8)).save(tmp_path / "tiny.png")
    code, said = run(*command, folder)
    assert "1 were there already" in said
    assert {str(path.relative_to(out)) for path in out.rglob("*.png")} == {
        *("a.png", "b.png", "c.png", "deeper/c.png"),
    }
    phone = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    phone.getexif()[0x0112] = 6  # held on its side
    phone.save(tmp_path / "phone.jpg", exif=phone.getexif())
    assert run(*command, tmp_path / "phone.jpg")[0] == 0
    with Image.open(out / "phone.png") as painted:
        assert painted.size == (40, 60)
    for images, message in (
        ([tmp_path / "tiny.png"], "at least 8 pixels high and wide, got 3 x 5"),
        ([tmp_path / "gone.png"], "gone.png does not exist"),
        ([folder / "a.png", folder], "would both be"),
        ([], "needs image files"),
    ):
        code, said = run(*command, *images)
        assert code == 1
        assert message in said.splitlines()[-1]


@pytest.mark.slow
def test_compare_takes_an_asr_without_an_attention_module(
    config: StyleConfig, tmp_path: Path
) -> None:
    config = replace(config, attention="psi", steps=1)
    found = train_and_compare(config, tmp_path / "c", photographs=1, draws=2, progress=False)
    assert set(found.stylised) == {"in", "bn", "bn+asr"}


def test_compare_looks_the_attention_up_before_it_trains(
    config: StyleConfig, tmp_path: Path
) -> None:
    config = replace(config, attention="best", steps=1)
    with pytest.raises(StripeError, match="unknown attention"):
        train_and_compare(config, tmp_path / "c", progress=False)
    assert not (tmp_path / "c").exists()


@pytest.mark.slow
def test_compare_trains_what_is_missing_and_draws(
    config: StyleConfig,
    tmp_path: Path,
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "compared"
    names = ("content", "style", "features", "size", "width", "steps", "batch_size")
    options = [f"--{name.replace('_', '-')}={getattr(config, name)}" for name in names]
    command = ("style", "compare", *options, "--workers=0", f"--out={out}", "--draws=2")
    assert run(*command, "--photographs=2")[0] == 0
    for name in ("grid.png", "by_batch_size.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    numbers, by_batch_size = (
        pd.read_csv(out / f"{name}.csv") for name in ("numbers", "by_batch_size")
    )
    assert len(numbers) == 2 * 3
    reference = numbers[numbers["variant"] == "in"]
    np.testing.assert_allclose(reference[["ssim", "high_frequency"]], 1)
    assert (reference["spread"] < 1e-6).all()
    assert (numbers[numbers["variant"] != "in"]["spread"] > 0).all()
    assert by_batch_size["batch_size"].tolist() == 3 * [1, 2, 4, 8, 16]
    assert by_batch_size[by_batch_size["batch_size"] == 1]["spread"].max() < 1e-6
    code, said = run(*command)
    assert (code, "continue it with --resume" in said) == (1, True)
    again = ("style", "compare", "--resume", f"--out={out}", "--photographs=1", "--draws=2")
    with monkeypatch.context() as patched:
        patched.delattr(loop, "_weighted")  # nothing is trained again
        assert run(*again)[0] == 0
    shutil.rmtree(out / "bn")
    assert run(*again)[0] == 0
    assert (out / "bn" / "model.safetensors").exists()
    of_runs = ("style", "compare", out / "in", out / "bn", "--photographs=1", "--draws=2")
    code, said = run(*of_runs, "--out", tmp_path / "two", "--images", config.content)
    assert code == 0, said
    assert pd.read_csv(tmp_path / "two" / "numbers.csv")["variant"].tolist() == ["in", "bn"]
    for more, message in (
        (["--steps=9"], "as they were trained; leave steps out"),
        ([out / "bn"], "of another variant, got in, bn, bn"),
    ):
        code, said = run(*of_runs, *more, "--out", tmp_path / "three")
        assert (code, message in said) == (1, True), said
    runs = {variant: open_style(out / variant) for variant in ("in", "bn")}
    with pytest.raises(StripeError, match="needs a run of instance norm"):
        compare({"bn": runs["bn"]})
    with pytest.raises(StripeError, match="photographs must be 1 to 3, got 4"):
        compare({"in": runs["in"]}, photographs=4)
    with pytest.raises(StripeError, match="draws must be at least 2"):
        compare({"in": runs["in"]}, draws=1)
    with pytest.raises(StripeError, match="batch_sizes must be 1 or more, got 0"):
        compare({"in": runs["in"]}, batch_sizes=(0, 4))
    with pytest.raises(StripeError, match="a run of 'bn' was given as 'in'"):
        compare({"in": runs["bn"]})
    other = replace(runs["bn"], config=replace(runs["bn"].config, steps=7))
    with pytest.raises(StripeError, match="differs from 'in' in steps"):
        compare({"in": runs["in"], "bn": other})
