"""Gates found in networks, and tensors that are no gates."""

import contextlib
import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from timm.layers.cbam import CbamModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import stripe
from stripe import find_gates
from stripe.errors import ModelError, StripeError

#: Modules that gate, counted by reading the libraries' sources.
COUNTS = {
    "tv:mobilenet_v3_small": 9,
    "tv:efficientnet_b0": 16,
    "tv:regnet_y_400mf": 16,
    "tv:resnet18": 0,
    "timm:seresnet18": 8,
    "timm:ecaresnet50t": 16,
    "timm:skresnet18": 8,
    "timm:resnest14d": 4,
    "timm:ghostnet_100": 7,
    "timm:rexnet_100": 13,
    "timm:repvit_m1": 10,
    "timm:tresnet_m": 18,
    "timm:hgnet_tiny": 5,
    "timm:legacy_seresnet18": 8,
    "timm:fastvit_t8": 1,
    "timm:gcresnet50t": 0,  # its context blocks add
    "timm:convnextv2_atto": 0,  # responses
    "timm:vit_tiny_patch16_224": 0,
    "timm:cait_xxs24_224": 0,  # LayerScale is a constant
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* that no function such as sigmoid bounds")
@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_counts_of_other_peoples_models(name: str, count: int) -> None:
    size = 256 if name == "timm:fastvit_t8" else 224
    gates = find_gates(stripe.build(name), torch.zeros(2, 3, size, size))
    assert len(gates) == count
    assert len({gate.name for gate in gates}) == count


def gate_of(name: str, example: Tensor | None = None) -> stripe.Gate:
    images = torch.zeros(2, 3, 224, 224) if example is None else example
    return find_gates(stripe.build(name), images)[0]


@pytest.mark.slow
def test_names_of_hooks_by_library() -> None:
    assert gate_of("timm:seresnet18").name == "layer1.0.se.gate"
    assert gate_of("timm:legacy_seresnet18").name == "layer1.0.se_module.sigmoid"
    assert gate_of("timm:hgnet_tiny").name == "stages.0.blocks.0.aggregation.1.sigmoid"
    assert gate_of("tv:mobilenet_v3_small").name == "features.1.block.1.scale_activation"
    split = gate_of("timm:resnest14d")
    assert (split.name, split.kind, split.layout) == ("layer1.0.conv2.rsoftmax", "split", "NRC11")
    assert (split.channels, split.groups) == (128, 2)
    kernels = gate_of("timm:skresnet18")
    assert (kernels.name, kernels.kind, kernels.groups) == ("layer1.0.conv1.attn", "split", 2)
    model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None
    )
    assert find_gates(model, torch.zeros(2, 3, 224, 224))[-1].name == "classifier.scale"


def test_what_is_before_and_after_a_gate() -> None:
    gate = gate_of("timm:rexnet_100")
    assert gate.owner == "features.3.se"
    assert gate.owner_class == "SEModule"
    assert gate.producer == "features.3.conv_dw.bn"
    assert gate.consumers == ("features.3.act_dw",)


class Toy(nn.Module):
    """A convolution, and after it what a test wants to see found or not."""

    def __init__(self, head: Callable[[Any, Tensor], Any], **children: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.squeeze = nn.Conv2d(6, 6, 1)
        self.head = head
        self.constant = nn.Parameter(torch.ones(1, 6, 1, 1))
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Any:
        return self.head(self, self.stem(x))

    def pooled(self, x: Tensor) -> Any:
        return self.squeeze(x.mean((2, 3), keepdim=True))


EXAMPLE = torch.zeros(2, 3, 9, 9)


def kinds_in(toy: nn.Module, example: Tensor = EXAMPLE) -> list[tuple[str, str, str, int]]:
    kinds = ("gate", "split", "constant", "response", "spatial")
    gates = find_gates(toy, example, kinds=kinds)
    return [(gate.name, gate.kind, gate.layout, gate.channels) for gate in gates]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (lambda t, x: x * t.pooled(x).sigmoid(), [("Toy", "gate", "NC11", 6)]),
        (lambda t, x: t.pooled(x).sigmoid() * x, [("Toy", "gate", "NC11", 6)]),
        (lambda t, x: x.mul_(t.pooled(x).sigmoid()), [("Toy", "gate", "NC11", 6)]),
        (lambda t, x: x * t.pooled(x).sigmoid().expand_as(x), [("Toy", "gate", "NC11", 6)]),
        (lambda t, x: x * (1 + t.pooled(x).tanh()), [("Toy", "gate", "NC11", 6)]),
        (lambda t, x: x * t.gate(t.pooled(x)), [("gate", "gate", "NC11", 6)]),
        (
            lambda t, x: t.outer(t.gate(t.pooled(x))) * x,
            [("outer", "gate", "NC11", 6)],
        ),
        (lambda t, x: x + t.pooled(x).sigmoid(), []),
        (lambda t, x: x * t.constant, []),
        (lambda t, x: x * torch.zeros_like(t.pooled(x)).sigmoid(), []),
        (lambda t, x: x * x.sigmoid(), []),
        (lambda t, x: x * t.pooled(x), [("squeeze", "response", "NC11", 6)]),
        (
            lambda t, x: x * x.square().mean((2, 3), keepdim=True).clamp(min=1e-6).rsqrt(),
            [("Toy", "response", "NC11", 6)],
        ),
        (
            lambda t, x: x * x.mean(1, keepdim=True).sigmoid(),
            [("Toy", "spatial", "N1HW", 1)],
        ),
        (lambda t, x: x * F.layer_norm(x, x.shape[1:]).mean((1, 2, 3), True).sigmoid(), []),
        (
            lambda t, x: x.permute(0, 2, 3, 1) * t.pooled(x).permute(0, 2, 3, 1).sigmoid(),
            [("Toy", "gate", "N11C", 6)],
        ),
        (
            lambda t, x: x.flatten(2).mT * t.pooled(x).flatten(2).mT.sigmoid(),
            [("Toy", "gate", "N1C", 6)],
        ),
        (
            lambda t, x: x.flatten(2) * t.pooled(x).flatten(2).sigmoid(),
            [("Toy", "gate", "NC1", 6)],
        ),
        (lambda t, x: x * (t.pooled(x) > 0), [("Toy", "gate", "NC11", 6)]),
        (lambda t, x: x * x.sigmoid().mean((2, 3), keepdim=True), [("Toy", "gate", "NC11", 6)]),
        (
            lambda t, x: x.unflatten(1, (2, 3)) * t.pooled(x).sigmoid().view(2, 2, 3, 1, 1),
            [("Toy", "gate", "NRC11", 6)],
        ),
        (
            lambda t, x: (x * t.pooled(x).sigmoid()) * t.pooled(x + 1).sigmoid(),
            [("Toy", "gate", "NC11", 6), ("Toy:1", "gate", "NC11", 6)],
        ),
    ],
)
def test_products_by_hand(
    head: Callable[[Any, Tensor], Any], expected: list[tuple[str, str, str, int]]
) -> None:
    toy = Toy(head, gate=nn.Hardsigmoid(), outer=nn.Sequential(nn.Identity(), nn.Identity()))
    assert kinds_in(toy) == expected


class LightChannelAttention(nn.Module):
    """As timm's: it owns a gate that it never calls."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sigmoid()
        self.fc = nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor) -> Any:
        attention = 0.5 * self.fc(x.mean((2, 3), keepdim=True)) + 0.5 * self.fc(
            x.amax((2, 3), True)
        )
        return x * F.sigmoid(attention)


def test_a_gate_that_no_module_makes_is_named_for_its_owner() -> None:
    toy = Toy(lambda t, x: t.light(x), light=LightChannelAttention())
    assert kinds_in(toy) == [("light", "gate", "NC11", 6)]
    cbam = Toy(lambda t, x: t.cbam(x), cbam=CbamModule(6, rd_channels=2))
    assert kinds_in(cbam) == [
        ("cbam.channel.gate", "gate", "NC11", 6),
        ("cbam.spatial.gate", "spatial", "N1HW", 1),
    ]


def test_volumes_and_one_sigmoid_for_all() -> None:
    shared = nn.Sigmoid()

    class Volume(nn.Module):
        def forward(self, x: Tensor) -> Any:
            for _ in range(2):
                x = x * shared(x.mean((2, 3, 4), keepdim=True))
            return x

    found = kinds_in(Volume(), torch.zeros(2, 3, 4, 5, 6))
    assert found == [("Volume", "gate", "NC111", 3), ("Volume:1", "gate", "NC111", 3)]


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["se", "ie", "srm", "eca", "cbam", "spa", "dia"])
def test_our_own_modules(attention: str) -> None:
    example = torch.zeros(2, 3, 32, 32)
    name = "layer1.0.bn3.gate.channel" if attention == "cbam" else "layer1.0.bn3.gate"
    gates = find_gates(stripe.build("resnet20", attention=attention), example)
    assert (gates[0].name, gates[0].owner, gates[0].kind) == (name, "layer1.0.bn3", "gate")
    assert len(gates) == 6
    gates = find_gates(stripe.build("resnet20", asr=attention), example)
    assert (gates[0].name, gates[0].kind, len(gates)) == ("layer1.0.bn3.gate", "constant", 6)


def test_tokens_of_our_own_modules() -> None:
    model = stripe.build("vit_b_16", attention="se", image_size=32)
    (first, *others) = find_gates(model, torch.zeros(2, 3, 32, 32))
    assert (first.layout, first.channels, len(others)) == ("N1C", 768, 23)


def test_a_padded_batch_still_depends_on_the_images() -> None:
    toy = Toy(lambda t, x: x * t.pooled(x).sigmoid())

    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = toy

        def forward(self, images: Tensor) -> Any:
            batch = images[0].new_zeros(len(images), 3, 12, 12)
            for number, image in enumerate(images):
                batch[number, :, :9, :9].copy_(image)
            return self.backbone(batch)

    assert kinds_in(Detector()) == [("backbone", "gate", "NC11", 6)]


def test_a_model_that_needs_values_runs_with_them() -> None:
    toy = Toy(lambda t, x: x * t.pooled(x).sigmoid() if x.sum() > -1e9 else x)
    assert kinds_in(toy) == [("Toy", "gate", "NC11", 6)]


def test_checkpointing_compiling_and_the_meta_device() -> None:
    toy = Toy(lambda t, x: checkpoint(lambda y: y * t.gate(t.pooled(y)), x, use_reentrant=False))
    toy.gate = nn.Sigmoid()
    assert kinds_in(toy) == [("gate", "gate", "NC11", 6)]
    compiled = torch.compile(toy)
    assert isinstance(compiled, nn.Module)
    assert kinds_in(compiled) == [("gate", "gate", "NC11", 6)]
    toy.stem = torch.compile(toy.stem)  # type: ignore[assignment]
    assert find_gates(toy, EXAMPLE)[0].producer == "stem"
    with torch.device("meta"):
        model = timm.create_model("seresnet18")
    assert len(find_gates(model, torch.zeros(2, 3, 64, 64))) == 8


def test_an_exception_that_the_model_catches_and_inference_mode() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Any:
            raise ValueError

    def head(toy: Any, x: Tensor) -> Any:
        with contextlib.suppress(ValueError):
            toy.fails(x)
        return x * toy.pooled(x).sigmoid().expand_as(x)

    with torch.inference_mode():
        assert kinds_in(Toy(head, fails=Fails())) == [("Toy", "gate", "NC11", 6)]


def test_models_of_fx_and_export() -> None:
    model = timm.create_model("seresnet18").eval()
    example = torch.zeros(2, 3, 64, 64)
    exported = torch.export.export(model, (example,)).module()
    for graph in (torch.fx.symbolic_trace(model), exported):
        gates = find_gates(graph, example)  # modules are gone, products are not
        assert [gate.channels for gate in gates] == [64, 64, 128, 128, 256, 256, 512, 512]
        assert gates[1].name == "GraphModule:1"


def test_scripted_models_are_refused() -> None:
    toy = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
    with warnings.catch_warnings(action="ignore"):
        scripted = torch.jit.script(toy)
    with pytest.raises(ModelError, match="must not be scripted to be traced, and 'all of it'"):
        find_gates(scripted, EXAMPLE)


def test_examples_that_hide_a_gate_are_warned_of() -> None:
    toy = Toy(lambda t, x: x * t.pooled(x).sigmoid())
    with pytest.warns(UserWarning, match="at least 2 images"):
        assert len(find_gates(toy, EXAMPLE[:1])) == 1
    with pytest.warns(
        UserWarning, match="'the model itself' has a feature map of one place, 1 x 1,"
    ):
        assert find_gates(toy, torch.zeros(2, 3, 3, 3)) == []
    swish = Toy(lambda t, x: x * F.hardtanh(x + 3, 0, 6).div(6))
    assert find_gates(swish, torch.zeros(2, 3, 3, 3)) == []


@pytest.mark.usefixtures("as_a_user")
def test_errors_say_what_to_do() -> None:
    with pytest.raises(StripeError, match=r"example must be a tensor, got \[1\]"):
        find_gates(nn.Identity(), [1])  # type: ignore[arg-type]
    with pytest.raises(StripeError, match=r"ndarray; torch\.from_numpy makes one of an array\Z"):
        find_gates(nn.Identity(), EXAMPLE.numpy())  # type: ignore[arg-type]
    pooling = Toy(lambda t, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)))
    with pytest.raises(
        ModelError, match=r"IndexError: .*; for a single image .* give image\[None\]"
    ):
        find_gates(pooling, EXAMPLE[0])
    squeezing = Toy(lambda t, x: x * t.squeeze(F.adaptive_avg_pool2d(x, 1)).sigmoid())
    with pytest.warns(UserWarning, match=r"\(3, 8, 8\), counts as 3 signals; .* image\[None\]"):
        assert find_gates(squeezing, torch.rand(3, 8, 8)) == []
    with pytest.raises(ModelError, match="response, spatial, got 'gates'"):
        find_gates(nn.Identity(), EXAMPLE, kinds=("gates",))
    with pytest.raises(ModelError, match=r"\(B, C, H, W\), got shape \(3,\)"):
        find_gates(nn.Identity(), torch.zeros(3))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_leaves_no_trace(error: type[BaseException]) -> None:
    def fail(toy: Any, x: Tensor) -> Tensor:
        raise error

    for head in (fail, lambda t, x: x * t.pooled(x).sigmoid()):
        toy = Toy(head)
        state = copy.deepcopy(toy.state_dict())
        if head is fail:
            with pytest.raises(error):
                find_gates(toy, EXAMPLE)
        else:
            find_gates(toy, EXAMPLE)
        assert toy.training
        assert all(not m._forward_hooks and not m._forward_pre_hooks for m in toy.modules())
        assert all(torch.equal(tensor, state[name]) for name, tensor in toy.state_dict().items())
        assert not toy.stem.weight.is_meta
