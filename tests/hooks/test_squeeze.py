"""The average of gated features is taken from the model, where the model computes just this."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stripe import Recorder, open_recording
from stripe.gates.find import find_places
from stripe.gates.squeeze import Squeeze

CHANNELS = 6


class Gating(nn.Module):
    """Gate features by a layer after a pool, which is a function or a module."""

    def __init__(self, pool: Callable[[Tensor], Tensor], times: int = 1) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, CHANNELS, 1)
        self.pool = pool
        self.excite = nn.Linear(CHANNELS, CHANNELS)
        self.times = times

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images)
        u = self.pool(x).flatten(1)
        for _ in range(self.times):
            v = self.excite(u)
        gated: Tensor = x * torch.sigmoid(v)[:, :, None, None]
        return gated


@pytest.fixture
def planes() -> Tensor:
    return torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def inputs(path: Path) -> Tensor:
    """Return the recorded inputs of the only gate of an epoch 0."""
    recording = open_recording(path)
    (gate,) = recording.gates["name"]
    return torch.from_numpy(recording.inputs(gate, epoch=0).copy())


def found(model: nn.Module, images: Tensor) -> Squeeze | None:
    (place,) = find_places(model.eval(), images)
    return place.squeeze


TAKEN: dict[str, tuple[Callable[[Tensor], Tensor], Squeeze]] = {
    "mean": (lambda x: x.mean((2, 3)), Squeeze("excite", as_output=False)),
    "mean, kept": (lambda x: x.mean((-1, -2), keepdim=True), Squeeze("excite", as_output=False)),
    "pool": (lambda x: F.adaptive_avg_pool2d(x, 1), Squeeze("excite", as_output=False)),
    "adaptive": (nn.AdaptiveAvgPool2d(1), Squeeze("pool", as_output=True)),
}


@pytest.mark.filterwarnings("ignore:the loader does not tell")
@pytest.mark.parametrize(("pool", "place"), TAKEN.values(), ids=TAKEN)
def test_the_average_is_taken_where_it_passes_a_module(
    pool: Callable[[Tensor], Tensor], place: Squeeze, planes: Tensor, tmp_path: Path
) -> None:
    model = Gating(pool).eval()
    assert found(model, planes) == place
    hooked = []

    def batches() -> Iterator[Tensor]:
        for _ in range(2):
            hooked.append(bool(model.features._forward_hooks))
            yield planes

    with Recorder(model, tmp_path / "r", planes) as recorder:
        recorder.record(batches(), 0, progress=False)
    assert hooked == [False, False]  # the feature maps are not read again
    with torch.no_grad():
        expected = model.features(planes).mean((2, 3), dtype=torch.float64).float()
    torch.testing.assert_close(inputs(tmp_path / "r")[:5], expected, rtol=1e-5, atol=1e-6)


OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "maximum": lambda x: x.amax((2, 3)),
    "of rectified features": lambda x: x.relu().mean((2, 3)),
    "of a row": lambda x: x.mean(3)[:, :, 0],
    "of a corner": lambda x: F.avg_pool2d(x, 4)[:, :, 0, 0],
    "padded": lambda x: F.avg_pool2d(x, 8, padding=4)[:, :, 0, 0],
    "of all places, by a kernel": nn.AvgPool2d(8),
    "double precision": lambda x: x.double().mean((2, 3)).float(),
}


@pytest.mark.parametrize("pool", OTHERS.values(), ids=OTHERS)
def test_another_pool_is_no_average_of_the_features(
    pool: Callable[[Tensor], Tensor], planes: Tensor
) -> None:
    assert found(Gating(pool), planes) is None


def test_a_module_that_is_called_twice_does_not_give_the_average(planes: Tensor) -> None:
    assert found(Gating(TAKEN["mean"][0], times=2), planes) is None


def test_features_of_half_precision_are_still_averaged_in_single(
    planes: Tensor, tmp_path: Path
) -> None:
    """The gates are found in single precision, and the network computes in half afterwards."""
    model = Gating(TAKEN["mean"][0]).eval()
    with Recorder(model, tmp_path / "r", planes) as recorder, torch.autocast("cpu"):
        recorder.record([planes], 0, progress=False)
    with torch.autocast("cpu"), torch.no_grad():
        features = model.features(planes)
    assert features.dtype == torch.bfloat16
    expected = features.mean((2, 3), dtype=torch.float32)
    assert torch.equal(inputs(tmp_path / "r"), expected)


def test_a_kernel_that_averages_a_part_of_a_later_plane_gives_no_input(
    planes: Tensor, tmp_path: Path
) -> None:
    """The proofs of rows end after a few batches, so a late batch must be right without them."""
    model = Gating(nn.AvgPool2d(8)).eval()
    larger = F.interpolate(planes, 12)
    with Recorder(model, tmp_path / "r", planes) as recorder:
        recorder.record([*[planes] * 20, larger, *[planes] * 5], 0, progress=False)
    expected = model.features(larger).mean((2, 3)).detach()
    late = slice(20 * len(planes), 21 * len(planes))
    torch.testing.assert_close(inputs(tmp_path / "r")[late], expected, rtol=1e-5, atol=1e-6)


class Stateful(Gating):
    """Gate features by a layer that takes a state beside the average, as a recurrent one does."""

    def __init__(self) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1))
        self.excite = Excite()

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images)
        v = self.excite(x.mean((2, 3)), None)
        gated: Tensor = x * torch.sigmoid(v)[:, :, None, None]
        return gated


class Excite(nn.Linear):
    def __init__(self) -> None:
        super().__init__(CHANNELS, CHANNELS)

    def forward(self, average: Tensor, state: Tensor | None = None) -> Tensor:
        return super().forward(average)


def test_a_module_that_takes_the_average_may_take_other_arguments(
    tmp_path: Path, planes: Tensor
) -> None:
    model = Stateful().eval()
    assert found(model, planes) == Squeeze("excite", as_output=False)
    with Recorder(model, tmp_path / "r") as recorder:
        recorder.record([planes], epoch=0, progress=False)
    wanted = model.features(planes).mean((2, 3)).detach()
    torch.testing.assert_close(inputs(tmp_path / "r"), wanted)
