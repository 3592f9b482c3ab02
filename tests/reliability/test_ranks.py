"""Four processes that record one epoch together, and one of them is killed."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stripe.recording import open_recording

pytestmark = pytest.mark.slow

RANK = """
import os, signal, sys
from datetime import timedelta
import torch
from torch import distributed, nn
from stripe import Recorder
from stripe.asr import Gated
from stripe.attention import SE
rank, path, port, dies = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "dies"
torch.set_num_threads(1)
distributed.init_process_group(
    "gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=4, timeout=timedelta(seconds=60)
)
torch.manual_seed(0)
model = nn.Sequential(Gated(nn.Conv2d(1, 4, 3), SE(4)))
images = torch.arange(24.0).view(24, 1, 1, 1) * torch.ones(24, 1, 6, 6)

def batches(epoch):
    for part in torch.arange(rank, 24, 4).split(2):
        yield images[part], part, part
        if dies and epoch == 1 and rank == 2:
            os.kill(os.getpid(), signal.SIGKILL)

with Recorder(model, path, images[:2], resume=True) as recorder:
    for epoch in range(len(recorder.epochs), 3):
        recorder.record(batches(epoch), epoch=epoch)
distributed.destroy_process_group()
"""


def run(path: Path, how: str) -> list[int]:
    """Run four ranks, and return their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(path), port, how],
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(4)
    ]  # fmt: skip
    said = [rank.communicate(timeout=240)[1] for rank in ranks]
    print("\n".join(line for text in said for line in text.splitlines()[-2:]))  # noqa: T201
    return [rank.returncode for rank in ranks]


def test_one_of_four_ranks_is_killed(tmp_path: Path) -> None:
    """The others end too, the epoch before is whole, and a new start goes on after it."""
    path = tmp_path / "r"
    codes = run(path, "dies")
    assert codes[2] == -9
    assert all(code != 0 for code in codes), codes
    recording = open_recording(path)
    assert recording.epochs == [0]
    assert recording.verify()["rows"].sum() == 24
    assert run(path, "lives") == [0] * 4
    recording = open_recording(path)
    assert recording.epochs == [0, 1, 2]
    assert recording.verify()["rows"].sum() == 72
    assert recording.images["label"].tolist() == list(range(24))
    assert not list((path / "staging").iterdir())
