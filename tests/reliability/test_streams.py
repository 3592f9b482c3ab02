"""Streams through a recorder and the statistics, whose memory must not grow with the images."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.attention import ATTENTIONS

pytestmark = pytest.mark.slow

CHANNELS, BATCH, GATES = 2048, 64, 4
#: Growth that buffers of one row group and one batch explain.
GROWTH = 400.0


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


@pytest.mark.filterwarnings("ignore:the loader does not tell")  # it streams
def test_memory_does_not_grow_with_the_images(
    tmp_path: Path, times: Callable[[int, int], int]
) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("resident memory is read from /proc")
    model = nn.Sequential(
        nn.Conv2d(3, CHANNELS, 1),
        *(stripe.Gated(nn.Identity(), ATTENTIONS["ie"](CHANNELS)) for _ in range(GATES)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)  # gates that differ, and hardly compress
    images = torch.randn(BATCH, 3, 2, 2)
    mebibytes = times(128, 10 * 1024)
    count = int(mebibytes * 2**20 / (BATCH * CHANNELS * GATES * 4))
    sizes: list[float] = []

    def batches(number: int) -> Iterator[Tensor]:
        for _ in range(number):
            sizes.append(resident())
            yield torch.randn(BATCH, 3, 2, 2)

    with stripe.Recorder(model, tmp_path / "r", images, inputs=False) as recorder:
        recorder.record(batches(20), 0, progress=False)  # until every buffer is warm
        sizes.clear()
        recorder.record(batches(count), 1, progress=False)
    assert max(sizes) - sizes[0] < GROWTH
    before = resident()
    table = stripe.stats.stripe_index(stripe.open_recording(tmp_path / "r"))
    written = sum(file.stat().st_size for file in tmp_path.rglob("*.parquet")) / 2**20
    print(  # noqa: T201
        f"{mebibytes} MiB of values, {written:.0f} MiB on the disk; memory grew by "
        f"{max(sizes) - sizes[0]:.0f} MiB, and by {resident() - before:.0f} MiB in the statistics"
    )
    assert table["epoch"].tolist() == [0] * GATES + [1] * GATES
    assert resident() - before < GROWTH
