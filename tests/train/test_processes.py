"""Several processes under torchrun, against one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import stripe
from stripe.train.checkpoint import latest_checkpoint
from stripe.train.run import WEIGHTS

#: Trains a network without batch norms, so that processes agree with one up to rounding.
SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from torch import nn
from stripe.asr import Gated
from stripe.attention import SE
from stripe.train import TrainConfig, loop, train

torch.set_num_threads(1)
torch.manual_seed(0)
out, root, epochs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
parts, dropout, stop_at = int(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6])
model = nn.Sequential(
    nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), Gated(nn.Identity(), SE(8, reduction=2)),
    nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(32, 10),
)
step, taken = loop.train_step, iter(range(10**9))
def stopped(*args, **options):
    if next(taken) == stop_at and os.environ.get("RANK") == "1":
        os.kill(os.getpid(), signal.SIGTERM)
    return step(*args, **options)
loop.train_step = stopped
config = TrainConfig(
    backbone="resnet11", dataset="fashion_mnist", data_root=root, epochs=epochs, batch_size=15,
    precision="fp32", lr=0.05, accumulate=parts, record=True, record_images=11, out=out,
)
result = train(config, model=model, resume=True, progress=False)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def launch(
    script: Path,
    processes: int,
    out: Path,
    root: Path,
    *,
    epochs: int = 2,
    parts: int = 1,
    dropout: float = 0.0,
    stop_at: int = -1,
) -> list[str]:
    alone = [sys.executable, str(script)]
    torchrun = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *(f"--nproc-per-node={processes}", str(script)),
    ]
    return [
        *(alone if processes == 1 else torchrun),
        *map(str, (out, root, epochs, parts, dropout, stop_at)),
    ]


@pytest.mark.slow
def test_processes_train_as_one_does(script: Path, tmp_path: Path, fashion: Path) -> None:
    """160 images in batches of 15: the last batch is 10, and the shares of two are unequal."""
    histories = []
    for name, processes, parts in (("one", 1, 1), ("parts", 1, 3), ("two", 2, 1), ("both", 2, 2)):
        out = tmp_path / name
        command = launch(script, processes, out, fashion, parts=parts)
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr[-2000:]
        histories.append(pd.read_parquet(out / "history.parquet").drop(columns="seconds"))
        recording = stripe.open_recording(out / "recording")
        assert recording.images["image"].is_unique
        assert len(recording.images) == 11  # of a random sample, the same for all
        histories[-1].attrs["gate"] = recording.values("2.gate", 2)
    for other in histories[1:]:
        np.testing.assert_allclose(histories[0].to_numpy(), other.to_numpy(), rtol=1e-5)
        gates = [table.attrs["gate"] for table in (histories[0], other)]
        np.testing.assert_allclose(gates[0], gates[1], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_at_the_same_step(
    script: Path, tmp_path: Path, fashion: Path
) -> None:
    """Eleven steps an epoch: the second process is asked at the fourth, and all stop at the tenth.

    With dropout, whose draws differ between the processes.
    """
    logs = []
    for name, stops in (("whole", (-1,)), ("stopped", (3, -1))):
        out = tmp_path / name
        for stop_at in stops:
            if stop_at < 0 and len(stops) > 1:
                last = latest_checkpoint(out / "checkpoint")
                assert last is not None
                assert last.name == "epoch=00000-batch=0000010"
            command = launch(script, 2, out, fashion, dropout=0.5, stop_at=stop_at)
            done = subprocess.run(command, capture_output=True, text=True, timeout=180)
            assert (done.returncode == 0) == (stop_at < 0), done.stderr[-2000:]
        logs.append(pd.read_parquet(out / "history.parquet").drop(columns="seconds"))
    whole, stopped = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    np.testing.assert_allclose(logs[0].to_numpy(), logs[1].to_numpy(), rtol=1e-12)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_others(script: Path, tmp_path: Path, fashion: Path) -> None:
    out = tmp_path / "run"
    command = launch(script, 2, out, fashion, epochs=100_000)
    agent = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (out / "history.csv").exists():
        assert agent.poll() is None
        time.sleep(0.2)
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    workers = [pid for pid in children if _rank(pid) == "1"]
    os.kill(int(workers[0]), signal.SIGKILL)
    assert agent.wait(300) != 0
    assert agent.stderr is not None
    agent.stderr.close()
    assert json.loads((out / "config.json").read_text())["epochs"] == 100_000


def _rank(pid: str) -> str | None:
    pairs = (entry.partition("=") for entry in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    return {name: value for name, _, value in pairs}.get("RANK")
