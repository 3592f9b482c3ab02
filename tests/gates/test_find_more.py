"""Networks whose gates were missed, mistaken or met with raw errors."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.ao import quantization
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

import stripe
from stripe import find_gates, open_recording
from stripe.errors import ModelError, StripeError

EXAMPLE = torch.zeros(2, 3, 9, 9)


class Excite(nn.Module):
    """Squeeze and excitation over (B, C, ...)."""

    def __init__(self, channels: int = 6) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, channels)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Any:
        v = self.gate(self.fc(x.flatten(2).mean(2)))
        return x * v.reshape(*v.shape, *(1 for _ in x.shape[2:]))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.se = Excite()

    def forward(self, x: Tensor) -> Any:
        return self.se(self.stem(x))


def names(model: nn.Module, example: Tensor = EXAMPLE, **options: Any) -> list[tuple[str, str]]:
    return [(gate.name, gate.layout) for gate in find_gates(model, example, **options)]


def of(body: Any, **children: nn.Module) -> nn.Module:
    class Toy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.squeeze = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1)
            for name, child in children.items():
                self.add_module(name, child)

        def forward(self, x: Tensor) -> Any:
            return body(self, self.stem(x))

        def pooled(self, x: Tensor) -> Any:
            return self.squeeze(x.mean((2, 3), keepdim=True))

    return Toy()


def test_gates_over_signals_and_what_looks_like_them(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv1d(20, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), Excite())
    signals = torch.randn(5, 20, 30, generator=torch.Generator().manual_seed(0))
    assert names(model, signals) == [("3.gate", "NC1")]
    stripe.record(model, [signals[:3], signals[3:]], tmp_path / "r", progress=False)
    recording = open_recording(tmp_path / "r")
    with torch.no_grad():
        x = model.eval()[:3](signals)
        expected = torch.sigmoid(model.get_submodule("3.fc")(x.mean(2)))
    np.testing.assert_allclose(recording.values("3.gate", 0), expected, atol=1e-6)
    np.testing.assert_allclose(recording.inputs("3.gate", 0), x.mean(2), atol=1e-6)

    class Waveform(nn.Sequential):
        def forward(self, x: Tensor) -> Any:
            return nn.Sequential.forward(self, x[:, None])  # type: ignore[no-untyped-call]

    waveform = Waveform(nn.Conv1d(1, 6, 3), Excite())
    stripe.record(waveform, [torch.randn(4, 50)], tmp_path / "w", progress=False)
    assert open_recording(tmp_path / "w").values("1.gate", 0).shape == (4, 6)


class Tokens(nn.Module):
    """A weight per token, or an RMS norm, of (B, N, C)."""

    def __init__(self, weigh: Any) -> None:
        super().__init__()
        self.embed, self.score, self.weigh = nn.Linear(20, 6), nn.Linear(6, 1), weigh

    def forward(self, x: Tensor) -> Any:
        x = self.embed(x)
        return x * self.weigh(self, x)


def test_weights_of_tokens_and_norms_are_no_gates_over_signals() -> None:
    tokens = torch.zeros(2, 30, 20)
    assert names(Tokens(lambda m, x: m.score(x).sigmoid()), tokens) == []
    rms = Tokens(lambda m, x: x.square().mean(-1, keepdim=True).clamp(min=1e-6).rsqrt())
    assert names(rms, tokens, kinds=("gate", "response")) == []


@pytest.mark.parametrize(
    "squash",
    [
        lambda v: v.clamp(min=0).clamp(max=1),
        lambda v: v.clamp(max=1).clamp(min=0),
        lambda v: torch.minimum(F.relu(v), torch.ones(1, device=v.device)),
        lambda v: F.relu(v.tanh()),
        lambda v: torch.fake_quantize_per_tensor_affine(v.sigmoid(), 1 / 255, 0, 0, 255),
        lambda v: v.sigmoid() + ((v.sigmoid() * 255).round() / 255 - v.sigmoid()).detach(),
    ],
)
def test_ways_to_squash(squash: Any) -> None:
    assert names(of(lambda t, x: x * squash(t.pooled(x)))) == [("Toy", "NC11")]


def test_one_bound_is_not_squashed() -> None:
    for bound in (F.relu, lambda v: v.clamp(min=0), lambda v: v.clamp(max=1)):
        with pytest.warns(UserWarning, match="no function such as sigmoid bounds"):
            assert names(of(lambda t, x, bound=bound: x * bound(t.pooled(x)))) == []


def quantised(x: Tensor, scale: Tensor) -> Tensor:
    return (x / scale).round().clamp(-128, 127) * scale


def test_a_dynamic_quantiser_is_no_gate() -> None:
    def scale(x: Tensor) -> Tensor:
        return x.abs().amax((2, 3), keepdim=True).clamp(1e-5, 1e4) / 127

    assert names(of(lambda t, x: quantised(x, scale(x)))) == []

    def inverse(t: Any, x: Tensor) -> Tensor:
        s = scale(x)
        return (x * (1 / s)).round().clamp(-128, 127) * s

    assert names(of(inverse)) == []

    def straight(t: Any, x: Tensor) -> Tensor:
        s = scale(x)
        y = x / s
        return (y + (y.round() - y).detach()) * s

    assert names(of(straight)) == []
    both = of(lambda t, x: quantised(x, scale(x)) * t.pooled(x).sigmoid())
    assert [name for name, _ in names(both)] == ["Toy:1"]
    twice = of(lambda t, x: (x * t.pooled(x).sigmoid()).round() * t.pooled(x + 1).sigmoid())
    assert len(names(twice)) == 2


class Quantised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.stem, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1)
        self.gate, self.product = nn.Sigmoid(), nn.quantized.FloatFunctional()

    def forward(self, x: Tensor) -> Any:
        y = self.stem(self.quant(x))
        v = self.gate(self.fc(F.adaptive_avg_pool2d(y, 1)))
        return self.dequant(self.product.mul(y, v))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_fake_quantised_networks_are_found_and_int8_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Quantised().train()
    model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    quantization.prepare_qat(model, inplace=True)
    images = torch.randn(4, 3, 9, 9)
    model(images)
    assert len(names(model)) == 1
    stripe.record(model, [images], tmp_path / "r", progress=False)
    int8 = quantization.convert(model.eval())
    with pytest.raises(ModelError, match="must not be quantised to int8 to be traced"):
        find_gates(int8, EXAMPLE)


def test_names_are_unique(tmp_path: Path) -> None:
    class Twice(nn.Module):
        """The module `a` puts a gate out, and owns another one that no module puts out."""

        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Any:
            x = x * self.fc(x.mean((2, 3))).sigmoid()[:, :, None, None]
            return self.fc(x.mean((2, 3))).tanh()[:, :, None, None]

    model = of(lambda t, x: x * t.a(x), a=Twice())
    found = [name for name, _ in names(model)]
    assert len(found) == 2 == len(set(found))
    stripe.record(model, [torch.randn(3, 3, 9, 9)], tmp_path / "r", progress=False)
    assert open_recording(tmp_path / "r").gates["name"].tolist() == found


def test_volumes_of_one_place_are_warned_of() -> None:
    class Volume(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.se = nn.Conv3d(1, 6, 3), Excite()

        def forward(self, x: Tensor) -> Any:
            return self.se(self.stem(x))

    with pytest.warns(UserWarning, match="'se' has a feature map of one place, 1 x 1 x 1"):
        assert find_gates(Volume(), torch.zeros(2, 1, 3, 3, 3)) == []


def test_float64_and_half(tmp_path: Path) -> None:
    images = torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    model = Net().double()
    for number, batch in enumerate((images, images.double())):
        stripe.record(model, [batch], tmp_path / str(number), progress=False)
        with torch.no_grad():
            x = model.stem(images.double())
            expected = torch.sigmoid(model.se.fc(x.mean((2, 3))))
        recording = open_recording(tmp_path / str(number))
        np.testing.assert_allclose(recording.values("se.gate", 0), expected, atol=1e-7)
    half = Net().bfloat16()
    stripe.record(half, [images.bfloat16()], tmp_path / "half", progress=False)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_networks_of_one_batch_size(size: int, tmp_path: Path) -> None:
    images = torch.randn(2 * size, 3, 9, 9)

    class Fixed(Net):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x.reshape(size, 3, 9, 9))

    exported = torch.export.export(Net().eval(), (images[:size],)).module()
    for number, model in enumerate((Fixed(), exported)):
        path = tmp_path / str(number)
        stripe.record(model, list(images.split(size)), path, progress=False)
        values = open_recording(path).values(open_recording(path).gates["name"][0], 0)
        assert values.shape == (2 * size, 6)


class Keywords(Net):
    def forward(self, *, pixel_values: Tensor, labels: Tensor | None = None) -> Any:  # type: ignore[override]
        return super().forward(pixel_values)


class TextFirst(Net):
    def forward(self, input_ids: Any = None, pixel_values: Any = None) -> Any:
        return super().forward(pixel_values)


def test_images_by_keyword_and_attributes_that_cannot_be_copied(tmp_path: Path) -> None:
    locked = Net()
    locked.lock = threading.Lock()  # type: ignore[assignment]
    for number, model in enumerate((Keywords(), TextFirst(), locked)):
        path = tmp_path / str(number)
        stripe.record(model, [torch.randn(4, 3, 9, 9)], path, progress=False)
        assert open_recording(path).gates["name"].tolist() == ["se.gate"]


@pytest.mark.usefixtures("as_a_user")
def test_one_line_for_what_does_not_work(tmp_path: Path) -> None:
    class Unknown(Net):
        def forward(self, *, left: Tensor, right: Tensor) -> Any:  # type: ignore[override]
            return super().forward(left)

    program: Any = torch.export.export(Net().eval(), (EXAMPLE,))
    lazy = nn.Sequential(nn.LazyConv2d(6, 3), Excite())
    for model, message in (
        (Unknown(), "takes left, right by keyword; put it into a module"),
        (program, r"must be a torch\.nn\.Module, got .*ExportedProgram.*; give its \.module\(\)"),
        (lazy, "lazy before its first pass to be traced, and '0' is; run it once"),
    ):
        with pytest.raises(StripeError, match=message):
            find_gates(model, EXAMPLE)
    assert is_lazy(next(lazy.parameters()))
    whole = torch.randint(0, 255, (4, 3, 9, 9)).byte()
    with pytest.raises(ModelError, match=r"of torch\.uint8: .*/ 255"):
        stripe.record(Net(), [whole], tmp_path / "bytes", progress=False)
    with pytest.raises(ModelError, match="weights are on the meta device"):
        stripe.record(Net().to("meta"), [EXAMPLE], tmp_path / "meta", progress=False)
    assert not (tmp_path / "meta").exists()


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("function", [False, True])
def test_a_product_inside_addcmul(in_place: bool, function: bool, tmp_path: Path) -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 6, 3)
            self.gate = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Conv2d(6, 6, 1),
                nn.Identity() if function else nn.Tanh(),
            )

        def forward(self, x: Tensor) -> Any:
            x = self.stem(x)
            v = self.gate(x).tanh() if function else self.gate(x)
            return x.addcmul_(x.clone(), v) if in_place else torch.addcmul(x, x, v)

    torch.manual_seed(0)
    model, images = Residual().eval(), torch.randn(5, 3, 9, 9)
    recording = stripe.record(model, [images], tmp_path / "r", progress=False)
    (name,) = recording.gates["name"]
    with torch.no_grad():
        x = model.stem(images)
        v = model.gate(x).tanh() if function else model.gate(x)
    np.testing.assert_allclose(recording.values(name, 0), v.flatten(1), atol=1e-6)
    np.testing.assert_allclose(recording.inputs(name, 0), x.mean((2, 3)), atol=1e-6)
    if function:
        return
    frozen = stripe.freeze(model, recording, example=images)
    with torch.no_grad():
        expected = x * (1 + v.mean(0, keepdim=True))
        np.testing.assert_allclose(frozen.model(images), expected, atol=1e-5)
