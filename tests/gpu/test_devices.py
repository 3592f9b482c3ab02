"""Forward passes on a GPU that is not there: no tensor, index or generator is of another device."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import fake_gpu, on_fake_gpu
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily

import stripe
from stripe.data import DeviceLoader, load_dataset
from stripe.gradcam import maps
from stripe.hooks.batch_buffer import Buffer, MomentBuffer, ValueBuffer
from stripe.hooks.capture import Capture
from stripe.hooks.columns import column_lengths, fill
from stripe.hooks.online import OnlineMoments
from stripe.hooks.places import recorded_places
from stripe.hooks.rows import RowOrder, image_rows
from stripe.intervene.recorded import ClassMeans
from stripe.modules.unwrap import modules_by_name
from stripe.train.step import train_step

IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
BACKBONES = ("resnet11", "resnet8_basic", "resnet8_acnet", "mobilenet", "shufflenetv2", "repvgg_a0")


@pytest.fixture(autouse=True)
def no_grad() -> Iterator[None]:
    """Leave gradients out: a backward pass wants a real GPU."""
    with torch.no_grad():
        yield


def network(backbone: str = "resnet11", **modules: Any) -> nn.Module:
    return stripe.build(backbone, num_classes=10, seed=0, **modules).eval()


def gpu_images() -> Tensor:
    return torch.empty(4, 3, 32, 32, device="cuda")


MIXTURES: dict[str, Callable[[], Tensor]] = {
    "a sum": lambda: gpu_images() + torch.ones(3, 1, 1),
    "an index": lambda: gpu_images()[torch.tensor([0, 1])],
    "a generator": lambda: torch.randn(3, device="cuda", generator=torch.Generator()),
    "a real tensor": lambda: gpu_images() + IMAGES,
    "weights": lambda: network()(gpu_images()),
}


@pytest.mark.parametrize("mixed", MIXTURES.values(), ids=MIXTURES)
def test_a_mixture_of_devices_is_refused(
    mixed: Callable[[], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the other tests would not see, they could not show to be absent."""
    with fake_gpu(monkeypatch), pytest.raises(RuntimeError, match=r"device|of cuda|draws on cuda"):
        mixed()


@pytest.mark.parametrize("name", [*stripe.list_attentions()])
@pytest.mark.parametrize("kind", ["attention", "asr"])
def test_networks_with_every_attention(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(**{kind: name})
    with fake_gpu(monkeypatch):
        for mode in (True, False):
            scores = on_fake_gpu(model).train(mode)(gpu_images())
            assert scores.device.type == "cuda"
            assert scores.shape == (4, 10)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone(backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(backbone, attention="se")
    with fake_gpu(monkeypatch):
        assert on_fake_gpu(model)(gpu_images()).device.type == "cuda"


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("spec", ["constant:0.8,0.5", "random:0.3,0.3", "random:0.3,0.3,per=layer"])
def test_noise(spec: str, affine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=affine))
    with fake_gpu(monkeypatch), stripe.inject_noise(on_fake_gpu(model), spec):
        assert model(gpu_images()).device.type == "cuda"


def test_the_loader_draws_and_gathers_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset("fashion-mini", "test").head(10)
    with fake_gpu(monkeypatch):
        loader = DeviceLoader(data, 4, device="cuda", shuffle=True, augment=True)
        assert [(x.device.type, y.device.type) for x, y in loader] == [("cuda", "cuda")] * 3


def test_indices_of_images_come_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset("fashion-mini", "test").head(10)
    with fake_gpu(monkeypatch):
        loader: Any = DeviceLoader(data, 4, device="cuda", indices=True)
        assert [at.device.type for _, _, at in loader] == ["cpu"] * 3


@pytest.mark.parametrize("kind", [ValueBuffer, MomentBuffer])
def test_capture_buffer_and_moments(kind: type[Buffer], monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(attention="cbam")
    places = recorded_places(model, IMAGES, None, spatial=True, inputs=True)
    capture = Capture(places, model, modules_by_name(model))
    with fake_gpu(monkeypatch), capture.hooked():
        on_fake_gpu(model)
        _, taken = capture.run(gpu_images())
        buffer = kind(column_lengths([p.gate for p in places]), torch.device("cuda"))
        buffer.start(len(IMAGES))
        for place in places:
            fill(buffer, [place.gate], image_rows(place, taken, len(IMAGES), RowOrder()))
        if isinstance(buffer, MomentBuffer):
            moments = OnlineMoments()
            for _ in range(2):
                moments.add(buffer.matrix())
        assert buffer._flat.device.type == "cuda"


HOW: dict[str, Any] = {
    "shuffle": "shuffle",
    "zero": "zero",
    "vector": 0.5,
    "function": lambda gate: gate.mean(0, keepdim=True).expand_as(gate),
}


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_interventions(how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(attention="se")
    intervened = stripe.intervene(model, how, example=IMAGES)
    with fake_gpu(monkeypatch), intervened:
        assert on_fake_gpu(model)(gpu_images()).device.type == "cuda"


LABELS = torch.tensor([1, 0, 1, 2])
TAKEN: dict[str, Any] = {
    "mean": "mean",
    "grand_mean": "grand_mean",
    "class_mean": "class_mean",
    "resample": "resample",
    "array": np.linspace(0.1, 0.9, 4 * 64).reshape(4, 64),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", TAKEN.values(), ids=TAKEN)
def test_interventions_take_numbers_of_the_host(
    how: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded vectors and arrays come from the host, and are put beside the gate."""
    model = network(attention="se")
    recording = stripe.record(model, [(IMAGES, LABELS)], tmp_path / "r", progress=False)
    gate = next(g.name for g in stripe.find_gates(model, IMAGES) if g.channels == 64)
    intervened = stripe.intervene(
        model, how, recording, gates=[gate], labels=LABELS, example=IMAGES
    )
    monkeypatch.setattr(ClassMeans, "of", with_values(ClassMeans.of))
    with fake_gpu(monkeypatch), intervened:
        assert on_fake_gpu(model)(gpu_images()).device.type == "cuda"


def with_values(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let a function of tensors of the host, such as a look-up of labels, see their values."""

    def seen(*arguments: Any) -> Tensor:
        with unset_fake_temporarily():
            return function(*arguments)

    return seen


TARGETS: dict[str, Any] = {"predicted": None, "function": lambda scores: scores[:, 0]}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_grad_cam_but_for_its_backward_pass(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(attention="se")
    with (
        fake_gpu(monkeypatch),
        torch.enable_grad(),
        maps.graph_cut(model.get_submodule("layer3"), "layer3") as leaves,
    ):
        score = maps.score_of(on_fake_gpu(model), gpu_images(), target, leaves, "layer3")
        (features,) = leaves
        cam = maps.weighted(features.detach(), torch.empty_like(features), (32, 32))
    assert score.requires_grad
    assert {tensor.device.type for tensor in (score, features, cam)} == {"cuda"}
    assert cam.shape == (4, 32, 32)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_training_step_takes_every_tensor_from_the_device_of_its_images(parts: int) -> None:
    """On "meta", which has a backward pass; a number of the host would be an error there."""
    model = network(attention="se").train().to("meta")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    labels = torch.zeros(4, dtype=torch.int64, device="meta")
    with torch.enable_grad():
        off: Any = torch.autocast("cpu", enabled=False)
        loss = train_step(model, optimizer, IMAGES.to("meta"), labels, off, parts=parts)
    assert loss.device.type == "meta"
