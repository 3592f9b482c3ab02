"""Recording networks that other people wrote."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from timm.layers.cbam import CbamModule, LightCbamModule
from torch import Tensor, nn
from torch.nn import functional as F

import stripe
from stripe import Recorder, open_recording, stats
from stripe.errors import ModelError, RecordingError, StripeError, UnknownNameError

IMAGES = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def record(model: nn.Module, path: Path, **options: Any) -> stripe.Recording:
    batches = [IMAGES[:2], IMAGES[2:4], IMAGES[4:]]
    stripe.record(model, batches, path, progress=False, **options)
    return open_recording(path)


def multiplied(model: nn.Module, owner: str) -> tuple[Tensor, Tensor]:
    """Return what a timm SE module takes, and the gate that its formula gives."""
    taken: list[Tensor] = []
    block: object = model.get_submodule(owner)
    assert isinstance(block, nn.Module)
    handle = block.register_forward_pre_hook(lambda module, args: taken.append(args[0].clone()))
    with torch.no_grad():
        model.eval()(IMAGES)
    handle.remove()
    with torch.no_grad():
        return taken[0], block(taken[0]) / taken[0]


def test_a_network_of_timm_against_its_own_product(tmp_path: Path) -> None:
    model = timm.create_model("seresnet18", zero_init_last=False)
    recording = record(model, tmp_path / "r")
    name = "layer2.1.se.gate"
    features, ratio = multiplied(model, "layer2.1.se")
    gate = ratio.nanmean((2, 3))
    np.testing.assert_allclose(recording.values(name, 0), gate, rtol=1e-4)
    np.testing.assert_allclose(recording.inputs(name, 0), features.mean((2, 3)), atol=1e-5)
    assert recording.header.input_shape == (3, 64, 64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("timm:skresnet18", {"layer1.0.conv1.attn": 128}),
        ("timm:resnest14d", {"layer1.0.conv2.rsoftmax": 128}),
        ("timm:ecaresnet26t", {"layer1.0.se.gate": 256}),
        ("timm:legacy_seresnet18", {"layer1.0.se_module.sigmoid": 64}),
        ("tv:mobilenet_v3_small", {"features.1.block.1.scale_activation": 16}),
    ],
)
def test_every_way_in_which_libraries_gate(
    name: str, columns: dict[str, int], tmp_path: Path
) -> None:
    recording = record(stripe.build(name, seed=0), tmp_path / "r")
    for gate, channels in columns.items():
        values = recording.values(gate, 0)
        assert values.shape == recording.inputs(gate, 0).shape == (5, channels)
        assert ((values >= 0) & (values <= 1)).all()
    if recording.gates["groups"].max() > 1:  # branches are weighed: two shares that add up to one
        np.testing.assert_allclose(values[:, : channels // 2] + values[:, channels // 2 :], 1, 1e-5)


class Cbam(nn.Module):
    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3)
        self.attention = attention

    def forward(self, x: Tensor) -> Any:
        return self.attention(self.stem(x)).mean((2, 3))


def test_a_gate_without_a_module_is_taken_from_the_product(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Cbam(LightCbamModule(16)).eval()
    recording = record(model, tmp_path / "r", spatial=True)
    assert recording.gates["kind"].tolist() == ["gate", "spatial"]
    channel: Any = model.get_submodule("attention.channel")
    with torch.no_grad():
        x = model.stem(IMAGES)
        pool = 0.5 * x.mean((2, 3), keepdim=True) + 0.5 * x.amax((2, 3), keepdim=True)
        gate = F.sigmoid(channel.fc2(channel.act(channel.fc1(pool))))
    np.testing.assert_allclose(recording.values("attention.channel", 0), gate.flatten(1), 1e-5)
    np.testing.assert_allclose(
        recording.inputs("attention.channel", 0), x.mean((2, 3)), atol=1e-6, rtol=1e-5
    )


def test_spatial_maps_on_request(tmp_path: Path) -> None:
    model = Cbam(CbamModule(16)).eval()
    assert record(model, tmp_path / "channel").gates["kind"].tolist() == ["gate"]
    recording = record(model, tmp_path / "both", spatial=True)
    name = "attention.spatial.gate"
    maps = recording.spatial(name, 0)
    with torch.no_grad():
        x = model.get_submodule("attention.channel")(model.stem(IMAGES))
        pair = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        expected = torch.sigmoid(model.get_submodule("attention.spatial.conv")(pair))[:, 0]
    np.testing.assert_allclose(maps, expected, rtol=1e-5)
    with pytest.raises(RecordingError, match="is a spatial map; read it with spatial"):
        recording.values(name, 0)
    assert stats.stripe_index(recording)["gate"].tolist() == ["attention.channel.gate"]


def test_our_cbam_has_both_maps(tmp_path: Path) -> None:
    model = stripe.build("resnet20", attention="cbam", seed=0)
    recording = record(model, tmp_path / "r", spatial=True, gates="layer3.*")
    assert set(recording.gates["name"].str.slice(0, 6)) == {"layer3"}
    gates = recording.gates
    assert gates[gates["kind"] == "gate"]["name"].tolist() == [
        "layer3.0.bn3.gate.channel",
        "layer3.1.bn3.gate.channel",
    ]
    assert recording.spatial("layer3.0.bn3.gate.spatial", 0).shape == (5, 16, 16)


def test_responses_by_a_predicate(tmp_path: Path) -> None:
    model = timm.create_model("convnextv2_atto")
    with pytest.raises(ModelError, match=r"found in this ConvNeXt.*gates=lambda gate: True"):
        record(model, tmp_path / "none")
    recording = record(model, tmp_path / "r", gates=lambda gate: gate.kind == "response")
    assert set(recording.gates["owner_class"]) == {"GlobalResponseNorm"}


class Softplus(nn.Module):
    """A gate that a sigmoid bounds, after one that nothing bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)

    def forward(self, x: Tensor) -> Any:
        x = self.conv(x)
        x = x * nn.functional.softplus(x.mean((2, 3), keepdim=True))
        return x * x.mean((2, 3), keepdim=True).sigmoid()


def test_a_factor_that_nothing_bounds_is_named(tmp_path: Path) -> None:
    model, images = Softplus(), torch.rand(4, 3, 9, 9)
    named = "no function such as sigmoid bounds"
    with pytest.warns(UserWarning, match=f"{named}.*lists them"):
        assert len(stripe.find_gates(model, images)) == 1
    with pytest.warns(UserWarning, match=named):
        stripe.record(model, [images], tmp_path / "r", progress=False)
    both = stripe.record(
        model, [images], tmp_path / "both", gates=lambda gate: True, progress=False
    )
    assert both.gates["kind"].tolist() == ["response", "gate"]


@pytest.mark.slow
def test_moments_without_values(tmp_path: Path) -> None:
    model = timm.create_model("seresnet18")
    whole = record(model, tmp_path / "whole")
    moments = record(model, tmp_path / "moments", values=False)
    left, right = (stats.channel_moments(recording) for recording in (whole, moments))
    pd.testing.assert_frame_equal(left, right, rtol=1e-9)
    pd.testing.assert_frame_equal(stats.stripe_index(whole), stats.stripe_index(moments))
    plain = pd.read_parquet(tmp_path / "moments" / "data")
    assert {"column", "channel", "n", "mean", "m2"} <= set(plain.columns)
    assert "input/layer1.0.se.gate" in set(plain["column"])
    assert len(moments.verify()) == 1
    with pytest.raises(RecordingError, match="holds moments only, recorded with values=False"):
        moments.values("layer1.0.se.gate", 0)
    with pytest.raises(RecordingError, match="holds moments only; record the other into another"):
        Recorder(model, tmp_path / "moments", IMAGES, resume=True)


def test_moments_are_of_each_image_once(tmp_path: Path) -> None:
    model = timm.create_model("seresnet18")
    index = torch.tensor([0, 1, 1, 2, 3])
    with Recorder(model, tmp_path / "r", IMAGES, values=False) as recorder:
        with pytest.raises(RecordingError, match="image 1 occurs 2 times"):
            recorder.record([(IMAGES, index, index)], 0, progress=False)
        with pytest.raises(RecordingError, match="at least one image, got none"):
            recorder.record([], 0, progress=False)
        recorder.record([IMAGES], 0, progress=False)
    assert open_recording(tmp_path / "r").epochs == [0]
    assert not list((tmp_path / "r").rglob("*.npy"))


def test_gates_cast_before_they_multiply_and_odd_labels(tmp_path: Path) -> None:
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Sigmoid()

        def forward(self, x: Tensor) -> Any:
            half = x.bfloat16()
            return half * self.gate(x.mean((2, 3), keepdim=True)).to(half.dtype)

    soft = torch.rand(5, 10)
    with pytest.warns(UserWarning, match=r"one whole number per image, got \(5, 10\)"):
        stripe.record(Cast(), [(IMAGES, soft)], tmp_path / "r", progress=False)
    recording = open_recording(tmp_path / "r")
    assert recording.images["label"].isna().all()
    assert recording.values("gate", 0).shape == (5, 3)


def test_one_label_per_image(tmp_path: Path) -> None:
    model = timm.create_model("seresnet18")
    for labels in (torch.arange(4), torch.arange(4)[:, None]):
        with pytest.raises(ModelError, match=r"per image, got 5 images and 4 labels; give the im"):
            stripe.record(model, [(IMAGES, labels)], tmp_path / "r", progress=False)
    assert not (tmp_path / "r" / "data").exists()


def test_a_train_method_that_does_more_is_called(tmp_path: Path) -> None:
    class Merging(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = timm.create_model("seresnet18")
            self.merged = False

        def train(self, mode: bool = True) -> "Merging":
            super().train(mode)
            self.merged = not mode
            return self

        def forward(self, x: Tensor) -> Any:
            return self.net(x)

    model = Merging().train()
    record(model, tmp_path / "r")
    assert model.training
    assert not model.merged


def test_every_thins_epochs(tmp_path: Path) -> None:
    model = timm.create_model("seresnet18")
    with Recorder(model, tmp_path / "r", IMAGES, every=3, gates=["layer1.0.se.gate"]) as recorder:
        for epoch in range(7):
            recorder.record([IMAGES], epoch, progress=False)
    assert open_recording(tmp_path / "r").epochs == [0, 3, 6]
    with pytest.raises(StripeError, match="every is 1 or more, got 0"):
        Recorder(model, tmp_path / "s", IMAGES, every=0)


@pytest.mark.slow
def test_choosing_gates(tmp_path: Path) -> None:
    model = timm.create_model("seresnet18")
    recording = record(model, tmp_path / "r", gates=["layer1.*", "layer4.1.se.gate"])
    assert recording.gates["name"].tolist() == [
        "layer1.0.se.gate",
        "layer1.1.se.gate",
        "layer4.1.se.gate",
    ]
    with pytest.raises(UnknownNameError, match=r"no gate 'layer9\.\*'; it has: layer1"):
        record(model, tmp_path / "s", gates="layer9.*")
    with pytest.raises(
        UnknownNameError, match="the predicate chose no gate of the model; it has: layer1"
    ):
        record(model, tmp_path / "s", gates=lambda gate: False)


@pytest.mark.slow
def test_a_compiled_model_is_recorded_uncompiled(tmp_path: Path) -> None:
    model: Any = timm.create_model("seresnet18").eval()
    compiled = torch.compile(model)
    assert isinstance(compiled, nn.Module)
    model.layer1 = torch.compile(model.layer1)
    recording, plain = (record(m, tmp_path / n) for m, n in ((compiled, "c"), (model, "p")))
    assert recording.gates["name"].tolist() == plain.gates["name"].tolist()
    assert recording.gates["name"][0] == "layer1.0.se.gate"
    np.testing.assert_array_equal(
        recording.values("layer1.0.se.gate", 0), plain.values("layer1.0.se.gate", 0)
    )


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_where_a_product_is_watched(
    tmp_path: Path, error: type[BaseException]
) -> None:
    model = Cbam(LightCbamModule(16))
    with Recorder(model, tmp_path / "r", IMAGES) as recorder:

        def fail(*args: object) -> None:
            raise error

        handle = model.get_submodule("attention.channel.fc2").register_forward_hook(fail)
        with pytest.raises(error):
            recorder.record([IMAGES], 0)
        handle.remove()
        assert torch._C._len_torch_dispatch_stack() == 0
        for module in model.modules():
            assert not module._forward_hooks
            assert not module._forward_pre_hooks
        recorder.record([IMAGES], 0)


def test_a_hook_that_gives_something_else_is_an_error(tmp_path: Path) -> None:
    class Changing(nn.Module):
        """Its gate's output is doubled before it multiplies, once the switch is on."""

        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Sigmoid()
            self.doubled = False

        def forward(self, x: Tensor) -> Any:
            v = self.gate(x.mean((2, 3), keepdim=True))
            return x * (2 * v if self.doubled else v)

    model = Changing()
    with Recorder(model, tmp_path / "r", IMAGES) as recorder:
        model.doubled = True
        with pytest.raises(
            ModelError, match="'gate' must be what 'the model' multiplies by, and differs"
        ):
            recorder.record([IMAGES], 0)
