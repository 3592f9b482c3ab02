"""Recording of many images: memory, processes, shares and single images."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import stripe
from stripe import open_recording, stats
from stripe.errors import StripeError
from stripe.hooks import EachOnce

IMAGES = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def record(model: nn.Module, path: Path, **options: Any) -> stripe.Recording:
    batches = [IMAGES[:2], IMAGES[2:4], IMAGES[4:]]
    stripe.record(model, batches, path, progress=False, **options)
    return open_recording(path)


@pytest.mark.slow
def test_memory_does_not_grow_with_images(tmp_path: Path) -> None:
    script = """
import sys, torch
from pathlib import Path
from typing import Any
from torch import nn
from stripe import Gated, Recorder
from stripe.attention import ATTENTIONS

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

model = nn.Sequential(
    nn.Conv2d(3, 4096, 1), *(Gated(nn.Identity(), ATTENTIONS["ie"](4096)) for _ in range(4))
)
images, sizes = torch.randn(64, 3, 2, 2), []

def batches(count):
    for _ in range(count):
        sizes.append(resident())
        yield images

with Recorder(model, sys.argv[1], images, inputs=False) as recorder:
    recorder.record(batches(30), 0, progress=False)
    sizes.clear()
    recorder.record(batches(100), 1, progress=False)  # 400 MiB
print(max(sizes) - sizes[0])
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("resident memory is read from /proc, which only Linux has")
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "r")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 100  # 400 MiB went through


RANK = """
import sys, torch, timm
from torch import distributed
from torch.utils.data import DataLoader, TensorDataset
from stripe import Recorder
from stripe.hooks import EachOnce

distributed.init_process_group("gloo")
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(timm.create_model("seresnet18"))
images = torch.randn(7, 3, 64, 64, generator=torch.Generator().manual_seed(0))
data = TensorDataset(images, torch.arange(7))
loader = DataLoader(data, batch_size=2, sampler=EachOnce(data))
for name, values in (("values", True), ("moments", False)):
    with Recorder(model, f"{sys.argv[1]}/{name}", images[:2], values=values) as recorder:
        recorder.record(loader, epoch=0, progress=False)
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_torchrun_records_each_image_once(tmp_path: Path) -> None:
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    run = ["torch.distributed.run", "--standalone", "--nproc-per-node=3", script, tmp_path]
    done = subprocess.run([sys.executable, "-m", *map(str, run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole, moments = (open_recording(tmp_path / name) for name in ("values", "moments"))
    assert whole.images["label"].tolist() == list(range(7))
    assert whole.verify()["rows"].tolist() == [3, 2, 2]
    torch.manual_seed(0)
    images = torch.randn(7, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    stripe.record(timm.create_model("seresnet18"), [images], tmp_path / "alone", progress=False)
    alone = open_recording(tmp_path / "alone")
    name = "layer4.1.se.gate"
    np.testing.assert_allclose(whole.values(name, 0), alone.values(name, 0), atol=1e-5)
    left, right = (stats.channel_moments(recording) for recording in (moments, alone))
    np.testing.assert_allclose(left["mean"], right["mean"], atol=1e-5)
    assert (left["n"] == 7).all()


def test_each_once_shares_without_padding() -> None:
    data = TensorDataset(torch.arange(7))
    shares = [list(EachOnce(data, rank, 3)) for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4], [2, 5]]
    assert list(EachOnce(data)) == list(range(7))
    assert len(DataLoader(data, batch_size=2, sampler=EachOnce(data, 0, 3))) == 2
    with pytest.raises(StripeError, match="between 0 and 2, got 3 of 3"):
        EachOnce(data, 3, 3)


def test_a_loader_of_single_images(tmp_path: Path) -> None:
    model = timm.create_model("seresnet18")
    stripe.record(model, [image[None] for image in IMAGES], tmp_path / "r", progress=False)
    one, many = open_recording(tmp_path / "r"), record(model, tmp_path / "s")
    name = "layer4.1.se.gate"
    np.testing.assert_allclose(one.values(name, 0), many.values(name, 0), atol=1e-5)
