"""Every figure as a command, in one process: what the command writes, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import stripe
from stripe.cli.plots import Panels, classes_of
from stripe.data import load_dataset
from stripe.demos.gallery import NETWORKS
from stripe.demos.pictures import GROUPS
from stripe.gradcam import MeanCam
from stripe.recording import Header, RecordedGate, RecordingWriter

FIGURES = Path(__file__).parents[2] / "figures" / "gallery"


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("stripes", "overview", "channel-std", "channel_std", "epoch-difference"),
        *("epoch_difference", "gate-spread", "gate_spread"),
    ],
)
def test_figures_of_a_recording(
    name: str, write_recording: Callable[..., Path], tmp_path: Path, run: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(0)
    path = write_recording({epoch: {"g": rng.random((9, 4))} for epoch in (0, 1)})
    out = tmp_path / "f.png"
    assert run("plot", name, "--recording", path, "--out", out) == (0, f"{out}\n")
    assert is_png(out)
    assert not plt.get_fignums()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("variance-components", ["--epoch", 0]),
        ("saturation", ["--low", 0.2, "--high", 0.8]),
        ("class-information", ["--folds", 2]),
        ("epoch-similarity", []),
        ("epoch_similarity", ["--epoch", 0]),
        ("effective-rank", []),
        ("gate_similarity", ["--epoch", 0]),
    ],
)
def test_statistics_of_a_recording(
    name: str,
    options: list[object],
    write_recording: Callable[..., Path],
    tmp_path: Path,
    run: Callable[..., Any],
) -> None:
    rng = np.random.default_rng(0)
    path = write_recording({epoch: {"g": rng.random((9, 4))} for epoch in (0, 1)})
    out = tmp_path / "f.png"
    assert run("plot", name, path, *options, "--out", out) == (0, f"{out}\n")
    assert is_png(out)
    assert not plt.get_fignums()
    other = write_recording({e: {"g": rng.random((9, 4))} for e in (0, 1)}, path=tmp_path / "b")
    again = run("plot", name, path, other, *options, "--names", "SE", "ASR", "--out", out)
    assert again == (0, f"{out}\n")


def test_spatial_attention(tmp_path: Path, run: Callable[..., Any]) -> None:
    model = stripe.build("resnet11", attention="cbam", num_classes=4, seed=0)
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    stripe.record(model, [images], tmp_path / "r", spatial=True, progress=False)
    code, _ = run("plot", "spatial_attention", tmp_path / "r", "--out", tmp_path / "f.png")
    assert code == 0
    code, said = run("stats", "index", tmp_path / "r", "--spatial", "--json")
    rows = json.loads(said)
    assert [row["gate"] for row in rows] == [f"layer{n}.0.bn3.gate.spatial" for n in (1, 2, 3)]
    maps = stripe.open_recording(tmp_path / "r").spatial("layer2.0.bn3.gate.spatial", 0)
    flat = maps.astype(np.float64).reshape(5, -1)
    between, within = flat.mean(0).var(), flat.var(0).mean()
    assert rows[1]["eta2"] == pytest.approx(between / (between + within))
    code, said = run("stats", "index", tmp_path / "r", "--json")
    assert not any("spatial" in row["gate"] for row in json.loads(said))


def test_spatial_index_of_a_recording_without_maps(
    write_recording: Callable[..., Path], run: Callable[..., Any]
) -> None:
    path = write_recording({0: {"g": np.ones((2, 2))}})
    code, said = run("stats", "index", path, "--spatial")
    assert code == 1
    assert "holds no spatial maps" in said


def test_mean_cam_comes_back_from_its_file(tmp_path: Path, run: Callable[..., Any]) -> None:
    cam = MeanCam(
        mean=np.random.default_rng(0).random((4, 4)),
        mean_image=np.ones((3, 4, 4)),
        n_images=3,
        central_share=0.3,
        uniform_share=0.25,
    )
    cam.save(tmp_path / "cam.npz")
    again = MeanCam.load(tmp_path / "cam.npz")
    np.testing.assert_array_equal(again.mean, cam.mean)
    assert (again.n_images, again.central_share, again.maps) == (3, 0.3, None)
    code, _ = run("plot", "mean-cam", tmp_path / "cam.npz", "--out", tmp_path / "f.png")
    assert code == 0
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    code, said = run("plot", "mean_cam", tmp_path / "bad.npz", "--out", tmp_path / "g.png")
    assert code == 1
    assert "is not a mean map" in said


def test_sorted_images_of_a_known_data_set_have_the_names_of_classes(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    data = load_dataset("fashion-mini", "test")
    path = tmp_path / "r"
    gate = RecordedGate(name="g", owner="g", owner_class="Gated", channels=2)
    header = Header(gates=(gate,), dataset="fashion-mini/test")
    columns = {name: np.ones((3, 2), np.float32) for name in ("gate/g", "input/g")}
    with RecordingWriter(path, header) as writer, writer.epoch(0) as part:
        part.write(np.arange(3), columns, label=data.labels[:3].numpy())
    options = ("--image-order", "label", "--out", tmp_path / "f.png")
    assert run("plot", "stripes", path, *options)[0] == 0
    assert classes_of(path, Panels(image_order="label")) == data.classes
    assert classes_of(path, Panels()) == ()


def test_figures_of_tables(tmp_path: Path, run: Callable[..., Any]) -> None:
    speed = pd.DataFrame({
        "network": ["bare", "se"],
        "accuracy": [0.7, 0.8],
        "images_per_s": [9.0, 8.0],
        "parameters": [1e6, 2e6],
    })  # fmt: skip
    speed.assign(noise="none").to_csv(tmp_path / "t.csv", index=False)
    for name in ("tradeoff", "noise-robustness"):
        assert run("plot", name, tmp_path / "t.csv", "--out", tmp_path / f"{name}.png")[0] == 0
        assert is_png(tmp_path / f"{name}.png")
    code, said = run("plot", "noise-bound", tmp_path / "t.csv", "--out", tmp_path / "b.png")
    assert code == 1
    assert "lacks bound" in said
    code, said = run("plot", "tradeoff", tmp_path / "none.csv", "--out", tmp_path / "b.png")
    assert code == 1
    assert "cannot be read as a table" in said
    assert "give one with the columns network, accuracy" in said
    code, said = run("plot", "noise-robustness", tmp_path, "--out", tmp_path / "b.png")
    assert code == 1
    assert said.strip().endswith("give a file of stripe noise --out")


def test_style_grid_of_a_folder(tmp_path: Path, run: Callable[..., Any]) -> None:
    for column in ("1 content", "2 ASR"):
        (tmp_path / "grid" / column).mkdir(parents=True)
        for row in ("cat", "dog"):
            plt.imsave(tmp_path / "grid" / column / f"{row}.png", np.ones((4, 4, 3)))
    code, _ = run("plot", "style-grid", tmp_path / "grid", "--out", tmp_path / "f.png")
    assert code == 0
    code, said = run("plot", "style-grid", tmp_path / "nothing", "--out", tmp_path / "g.png")
    assert code == 1
    assert "a folder of pictures per column" in said


def test_noise_and_bound_of_a_network(tmp_path: Path, run: Callable[..., Any]) -> None:
    network = ("--model", "resnet11", "--num-classes", 10, "--attention", "se")
    # On grey images, which the network takes as its own folder of one class would be.
    for number in range(4):
        picture = np.random.default_rng(number).random((32, 32, 3))
        (tmp_path / f"images/{number % 2}").mkdir(parents=True, exist_ok=True)
        plt.imsave(tmp_path / f"images/{number % 2}/{number}.png", picture)
    images = ("--images", tmp_path / "images", "--image-size", 32)
    table = tmp_path / "bound.csv"
    code, said = run("bound", *network, *images, "--out", table)
    assert code == 0, said
    assert list(pd.read_csv(table)["block"]) == ["layer1.0", "layer2.0", "layer3.0"]
    assert run("plot", "noise-bound", table, "--out", tmp_path / "b.png")[0] == 0
    code, said = run("bound", *network, *images, "--out", table)
    assert code == 1
    assert "already exists" in said
    two = ("--model", "resnet11", "--num-classes", 2, "--attention", "se")
    options = ("--spec", "constant:0.8,0.8", "--spec", "random:0.3,0.3", "--seeds", 2)
    written = ("--out", tmp_path / "n.csv", "--figure", tmp_path / "n.png")
    code, said = run("noise", *two, *images, *options, *written, "--json")
    assert code == 0, said
    runs = pd.read_csv(tmp_path / "n.csv")
    noises = [*("none", "constant:0.8,0.8"), *["random:0.3,0.3"] * 2]
    assert list(runs["noise"]) == noises
    assert is_png(tmp_path / "n.png")
    for wrong, expected in (
        ((), "at least one noise"),
        (("--spec", "loud"), "a noise is one of"),
        (("--grid", "loud"), "--grid is constant or random"),
        (("--spec", "batch", "--seeds", 0), 'Invalid value "0" for --seeds'),
    ):
        code, said = run("noise", *two, *images, *wrong)
        assert code > 0
        assert expected in said.splitlines()[-1]


def test_the_gallery_says_what_made_it() -> None:
    pictures = sorted(FIGURES.glob("*.png"))
    names = [name for group in GROUPS for name in group.names]
    assert sorted(names) == [picture.stem for picture in pictures]
    for picture in pictures:
        about = json.loads(picture.with_suffix(".json").read_text())
        assert about["command"].startswith("stripe gallery")
        assert about["seed"] == 0
        assert about["versions"]["torch"]
        assert is_png(picture)


def test_a_picture_that_is_not_there_is_one_line(run: Callable[..., Any], tmp_path: Path) -> None:
    code, said = run("gallery", "--pictures", "stripe", "--out", tmp_path / "g")
    assert code == 1
    assert "the gallery has no picture 'stripe'; nearest: stripes" in said.splitlines()[-1]
    assert {name for group in GROUPS for name in group.networks} == set(NETWORKS)
