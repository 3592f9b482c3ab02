"""What `pip install` of a built wheel gives, in an empty folder and without the checkout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest

from stripe.recording import open_recording

ROOT = Path(__file__).parents[1]

CODE = """
import stripe
from stripe.data import load_dataset
print(stripe.__file__)
print(len(load_dataset("fashion-mini", "train")))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it, without its dependencies, into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("stripe_attention-*.whl")
    install = [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)]
    subprocess.run(install, check=True)
    return folder / "site"


@pytest.mark.slow
def test_the_wheel_brings_code_data_and_command(site: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=True,
    )
    where, count = done.stdout.split()
    assert Path(where).is_relative_to(site)
    assert count == "7000"
    assert (site / "bin/stripe").exists()
    assert (site / "stripe/py.typed").exists()
    assert not (site / "tests").exists()


@pytest.mark.slow
def test_the_demo_of_the_wheel_from_an_empty_folder(site: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stripe", "demo", "--epochs", "1", "--json", "--seed", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert 0.2 < told["test_accuracy"]["last"] < 1
    assert len(told["gates"]) == 6
    assert 0 < told["mean_eta2"] < 1
    figures = {file.name for file in (tmp_path / "runs/demo/figures").iterdir()}
    stems = ("stripes", "channel_std", "epoch_difference")
    assert figures == {f"{s}.{e}" for s in stems for e in ("png", "pdf")} | {"demo.json"}
    for stem in stems:  # a column of 3.4 inches at 300 dots per inch
        assert plt.imread(tmp_path / f"runs/demo/figures/{stem}.png").shape[1] == 1020
    sidecar = json.loads((tmp_path / "runs/demo/figures/demo.json").read_text())
    assert sidecar["command"].endswith("demo --epochs 1 --json --seed 2")
    _check_plain_readers(tmp_path / "runs/demo/recording")


def _check_plain_readers(path: Path) -> None:
    """Read the demo's recording with pandas, polars and DuckDB, and compare."""
    recording = open_recording(path)
    assert recording.epochs == [0, 1]
    gate = "layer3.1.bn3.gate"
    ours = recording.values(gate, 1)
    frame = pd.read_parquet(path / "data")
    rows = frame[frame["epoch"] == 1].sort_values("image")
    np.testing.assert_array_equal(np.stack(rows[f"gate/{gate}"].tolist()), ours)
    lazy = pl.scan_parquet(path / "data").filter(pl.col("epoch") == 1).sort("image")
    np.testing.assert_array_equal(lazy.collect()[f"gate/{gate}"].to_numpy(), ours)
    query = f"""select "gate/{gate}" from read_parquet('{path}/data/**/*.parquet')
                where epoch = 1 order by image"""
    fetched = duckdb.connect().execute(query).fetchall()
    np.testing.assert_array_equal([row[0] for row in fetched], ours)
