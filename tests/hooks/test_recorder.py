"""Gates recorded from a running model."""

import copy
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import stripe
import stripe.attention
from stripe import Recorder, open_recording
from stripe.errors import ModelError, RecordingError, StripeError, UnknownNameError

NAMES = ["1.gate", "4.gate"]


def hooks_of(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


@pytest.fixture
def expected(small_model: nn.Sequential, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute gates and pooled inputs by hand, layer by layer."""
    model = copy.deepcopy(small_model).eval()
    with torch.no_grad():
        first = model.get_submodule("1.host")(model[0](images))
        gate = model.get_submodule("1.gate")(first)
        second = model.get_submodule("4.host")(model[3](torch.relu(first * gate)))
        return {
            "1.gate": gate.flatten(1),
            "4.gate": model.get_submodule("4.gate")(second).flatten(1),
            "1.gate input": first.mean((2, 3)),
            "4.gate input": second.mean((2, 3)),
            "prediction": model(images).argmax(1),
        }


def test_records_what_the_model_computes(
    small_model: nn.Sequential,
    images: torch.Tensor,
    expected: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    labels = torch.arange(10) % 3
    loader = DataLoader(TensorDataset(images, labels), batch_size=4)
    with Recorder(small_model, tmp_path / "r", images[:2], dataset="toy", seed=5) as recorder:
        recorder.record(loader, epoch=0)
        recorder.record(loader, epoch=7)
    recording = open_recording(tmp_path / "r")
    assert recording.epochs == [0, 7]
    assert recording.header.dataset == "toy"
    assert recording.header.seed == 5
    assert "torch" in recording.header.versions
    for name in NAMES:
        np.testing.assert_allclose(recording.values(name, 7), expected[name], atol=1e-6)
        np.testing.assert_allclose(recording.inputs(name, 7), expected[f"{name} input"], atol=1e-6)
    assert recording.images["label"].tolist() == labels.tolist()
    assert recording.images["prediction"].tolist() == expected["prediction"].tolist()
    assert len(recording.verify()) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shuffled_loader_names_its_images(
    small_model: nn.Sequential,
    images: torch.Tensor,
    expected: dict[str, torch.Tensor],
    tmp_path: Path,
    workers: int,
) -> None:
    dataset = TensorDataset(images, torch.arange(10))
    loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=workers)
    stripe.record(small_model, loader, tmp_path / "r", progress=False)
    recording = open_recording(tmp_path / "r")
    assert recording.images["label"].tolist() == list(range(10))
    np.testing.assert_allclose(recording.values("1.gate", 0), expected["1.gate"], atol=1e-6)


def test_a_batch_sampler_of_ones_own_names_its_images(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    dataset = TensorDataset(images, torch.arange(10))
    sampler = [[3, 1, 4], [9, 0, 2], [8, 5, 7, 6]]
    stripe.record(small_model, DataLoader(dataset, batch_sampler=sampler), tmp_path / "r")
    assert open_recording(tmp_path / "r").images["label"].tolist() == list(range(10))


def test_generators_of_the_loader_come_back(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(3)
    dataset = TensorDataset(images, torch.arange(10))
    loader = DataLoader(dataset, batch_size=4, shuffle=True, generator=generator)
    own, all_others = generator.get_state(), torch.get_rng_state()
    with Recorder(small_model, tmp_path / "r", images) as recorder:
        recorder.record(loader, epoch=0)
    stripe.record(small_model, loader, tmp_path / "first batch twice")
    stripe.record(small_model, DataLoader(dataset, batch_size=4), tmp_path / "s")
    in_order = DataLoader(dataset, batch_size=4, generator=generator)
    stripe.record(small_model, in_order, tmp_path / "t")
    assert torch.equal(generator.get_state(), own)
    assert torch.equal(torch.get_rng_state(), all_others)


def test_a_module_that_gates_two_places_is_recorded_at_both(
    images: torch.Tensor, tmp_path: Path
) -> None:
    gate = stripe.attention.SE(2)
    model = nn.Sequential(
        stripe.Gated(nn.Conv2d(1, 2, 3), gate), stripe.Gated(nn.Conv2d(2, 2, 3), gate)
    )
    stripe.record(model, [images], tmp_path / "r")
    recording = open_recording(tmp_path / "r")
    with torch.no_grad():
        first = model.get_submodule("0.host")(images)
        second = model.get_submodule("1.host")(first * gate(first))
        expected = {"0": first, "1": second}
        for name, features in expected.items():
            np.testing.assert_array_equal(recording.values(name, 0), gate(features).flatten(1))
            np.testing.assert_allclose(
                recording.inputs(name, 0), features.mean((2, 3)), atol=1e-6, rtol=1e-5
            )


def test_batches_of_other_kinds(
    small_model: nn.Sequential,
    images: torch.Tensor,
    expected: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    stripe.record(small_model, [images[:6], images[6:]], tmp_path / "bare")
    assert open_recording(tmp_path / "bare").images["label"].isna().all()
    index = torch.arange(20, 10, -1)
    stripe.record(small_model, iter([(images, index, index)]), tmp_path / "indexed")
    recording = open_recording(tmp_path / "indexed")
    assert recording.images["image"].tolist() == list(range(11, 21))
    np.testing.assert_allclose(recording.values("4.gate", 0), expected["4.gate"].flip(0), atol=1e-6)


def test_chosen_gates_without_inputs(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    stripe.record(small_model, [images], tmp_path / "r", gates=["4.gate"], inputs=False)
    recording = open_recording(tmp_path / "r")
    assert recording.gates["name"].tolist() == ["4.gate"]
    with pytest.raises(RecordingError, match="no pooled inputs"):
        recording.inputs("4.gate", 0)


def test_a_constant_gate_is_repeated_for_every_image(tmp_path: Path, images: torch.Tensor) -> None:
    class Constant(nn.Module):
        def forward(self, y: torch.Tensor) -> torch.Tensor:
            return torch.tensor([0.25, 0.75]).view(1, 2, 1, 1)

    model = nn.Sequential(stripe.Gated(nn.Conv2d(1, 2, 3), Constant()))
    stripe.record(model, [images], tmp_path / "r")
    values = open_recording(tmp_path / "r").values("0.gate", 0)
    np.testing.assert_array_equal(values, [[0.25, 0.75]] * 10)


def test_autocast_is_recorded_as_float32(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        stripe.record(small_model, [images], tmp_path / "r")
    values = open_recording(tmp_path / "r").values("1.gate", 0)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, torch.from_numpy(values.copy()).bfloat16().float())


def test_leaves_the_model_as_it_was(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    small_model.train()
    state = copy.deepcopy(small_model.state_dict())
    generator = torch.get_rng_state()
    stripe.record(small_model, [images], tmp_path / "r")
    assert small_model.training
    assert hooks_of(small_model) == 0
    assert torch.equal(torch.get_rng_state(), generator)
    for name, tensor in small_model.state_dict().items():
        assert torch.equal(tensor, state[name])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_hooks_are_gone_and_nothing_is_committed_after_an_exception(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path, error: type[BaseException]
) -> None:
    def fail(*args: object) -> None:
        raise error

    with Recorder(small_model, tmp_path / "r", images) as recorder:
        handle = small_model[6].register_forward_hook(fail)
        with pytest.raises(error):
            recorder.record([images], epoch=0)
        handle.remove()
        assert hooks_of(small_model) == 0
        assert open_recording(tmp_path / "r").epochs == []
        recorder.record([images], epoch=0)
    assert len(open_recording(tmp_path / "r").verify()) == 1


def test_errors_say_what_to_do(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no gates were found in this Sequential"):
        stripe.record(nn.Sequential(nn.Conv2d(1, 2, 3)), [images], tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(UnknownNameError, match=r"no gate '2\.gate'; it has: 1\.gate, 4\.gate"):
        stripe.record(small_model, [images], tmp_path / "r", gates=["2.gate"])
    with pytest.raises(stripe.StripeError, match="at least one batch"):
        stripe.record(small_model, [], tmp_path / "r")
    with pytest.raises(ModelError, match="as tensors, got dict"):
        stripe.record(small_model, [images, {"x": 1}], tmp_path / "r")
    zeros = torch.zeros(10).int()
    with pytest.raises(RecordingError, match="image 0 occurs 10 times"):
        stripe.record(small_model, [(images, zeros, zeros)], tmp_path / "r")


def test_a_gate_that_is_not_called_is_an_error(images: torch.Tensor, tmp_path: Path) -> None:
    class Sometimes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gated = stripe.Gated(nn.Conv2d(1, 2, 3), nn.Sigmoid())
            self.on = True

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.gated(x) if self.on else x

    class Pool(nn.Module):
        def forward(self, y: torch.Tensor) -> torch.Tensor:
            return y.mean((2, 3), keepdim=True)

    model = Sometimes()
    model.gated.gate = Pool()
    with Recorder(model, tmp_path / "r", images) as recorder:
        model.on = False
        with pytest.raises(ModelError, match=r"'gated' must multiply by the gate 'gated\.gate' in"):
            recorder.record([images], epoch=0)


RANK = """
import sys
import torch
from torch import distributed, nn
from stripe import Recorder
from stripe.asr import Gated
from stripe.attention import SE
rank, path, port = int(sys.argv[1]), sys.argv[2], sys.argv[3]
distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
torch.manual_seed(0)
model = nn.Sequential(Gated(nn.Conv2d(1, 4, 3), SE(4)))
images = torch.arange(7.0).view(7, 1, 1, 1) * torch.ones(7, 1, 6, 6)
index = torch.arange(rank, 7, 2)
with Recorder(model, path, images[:2]) as recorder:
    recorder.record([(images[index], index, index)], epoch=0)
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_real_processes_record_one_epoch(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "r"
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(path), str(port)])
        for rank in range(2)
    ]
    assert [rank.wait(120) for rank in ranks] == [0, 0]
    recording = open_recording(path)
    assert recording.verify()["rows"].tolist() == [4, 3]
    assert recording.images["label"].tolist() == list(range(7))


@pytest.mark.filterwarnings("ignore:the loader does not tell")
def test_the_first_batch_is_the_example(tmp_path: Path) -> None:
    model = stripe.build("resnet11", attention="se", num_classes=3, in_channels=1, seed=0)
    images = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    batches = list(images.split(4))
    with stripe.Recorder(model, tmp_path / "given", images[:2]) as recorder:
        recorder.record(batches, epoch=0, progress=False)
        names = [gate.name for gate in recorder.gates]
    with stripe.Recorder(model, tmp_path / "found") as recorder:
        with pytest.raises(StripeError, match="from its first batch, or from the start with"):
            _ = recorder.gates
        assert recorder.record(iter(batches), epoch=0, progress=False) == 6  # it cannot start again
        assert [gate.name for gate in recorder.gates] == names
        recorder.record(batches, epoch=1, progress=False)
    given, found = (stripe.open_recording(tmp_path / name) for name in ("given", "found"))
    for name in names:
        assert (given.values(name, 0) == found.values(name, 0)).all()
        assert (given.values(name, 0) == found.values(name, 1)).all()


def test_a_recorder_without_a_batch_leaves_nothing(tmp_path: Path) -> None:
    model = stripe.build("resnet11", attention="se", num_classes=3, in_channels=1, seed=0)
    with (
        stripe.Recorder(model, tmp_path / "r", check=False) as recorder,
        pytest.raises(ModelError, match="at least one batch"),
    ):
        recorder.record([], epoch=0)
    assert not (tmp_path / "r").exists()


def test_epochs_are_known_before_the_first_batch(
    small_model: nn.Sequential, images: torch.Tensor, tmp_path: Path
) -> None:
    with stripe.Recorder(small_model, tmp_path / "a") as recorder:
        assert recorder.epochs == []
        assert not recorder.is_current(0)
        recorder.record([images], 0, progress=False)
    with stripe.Recorder(small_model, tmp_path / "a", resume=True) as recorder:
        assert recorder.epochs == [0]
        assert recorder.is_current(0)
        with torch.no_grad():
            next(small_model.parameters()).add_(1)
        assert not recorder.is_current(0)
