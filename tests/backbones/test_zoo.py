"""Every backbone at small size: it builds, runs, is gated where the paper gates it, and folds."""

from typing import TypeGuard

import pytest
import torch
from torch import nn

import stripe
from stripe.asr import ASR, Gated
from stripe.backbones.acnet import ACBlock
from stripe.backbones.fuse import fuse_branches
from stripe.errors import ModelError, UnknownNameError

#: Backbone, side of its images, number of sites.
ZOO = {
    "resnet20": (16, 6), "resnet20_basic": (16, 9), "resnet20_acnet": (16, 9),
    "resnet34": (32, 16), "resnet50": (32, 16), "vgg19": (32, 16), "shufflenetv2": (32, 16),
    "mobilenet": (32, 26), "repvgg_a0": (32, 22), "vit_s_16": (32, 24),
    "tv:vit_b_16": (32, 24), "tv:resnet18": (32, 8), "timm:resnet18": (32, 8),
}  # fmt: skip


def randomised(model: nn.Module) -> nn.Module:
    """Give norms the statistics and affine parameters of a trained network."""
    generator = torch.Generator().manual_seed(1)

    def noise(tensor: torch.Tensor) -> torch.Tensor:
        return torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) - 0.5

    for module in model.modules():
        if isinstance(module, ASR):
            for parameter in module.parameters():
                parameter.data = parameter.data + noise(parameter)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.is_floating_point():
                    tensor.data = tensor.data + noise(tensor)
    return model.eval()


def build(name: str, **options: str | int | None) -> nn.Module:
    side, _ = ZOO[name]
    model: nn.Module = stripe.build(name, num_classes=7, seed=0, image_size=side, **options)  # type: ignore[arg-type]
    return model


def sites(model: nn.Module) -> int:
    return sum(isinstance(module, Gated) for module in model.modules())


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize(("asr", "copies", "attention"), [("se", 1, None), ("srm", 2, "cbam")])
def test_folds_into_the_plain_network(
    name: str, asr: str, copies: int, attention: str | None
) -> None:
    side, count = ZOO[name]
    model = randomised(build(name, asr=asr, copies=copies, attention=attention).double())
    assert sites(model) == count * (copies + (attention is not None))
    x = torch.randn(2, 3, side, side, dtype=torch.double)
    plain = stripe.reparameterize(model, example=x)
    assert stripe.asr.largest_difference(model, plain) <= 1e-10
    expected = build(name, attention=attention)
    assert list(plain.state_dict()) == list(expected.state_dict())
    assert stripe.asr.largest_difference(model.float(), stripe.reparameterize(model)) <= 1e-5
    with torch.no_grad():
        assert plain(x).shape == (2, 7)


@pytest.mark.slow
@pytest.mark.parametrize("asr", ["se", "ie", "srm", "eca", "spa", "cbam", "dia", "psi"])
@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("together", [False, True])
def test_every_attention_module_folds(asr: str, copies: int, together: bool) -> None:
    attention = asr if together and asr != "psi" else None
    model = randomised(build("resnet20", asr=asr, copies=copies, attention=attention).double())
    plain = stripe.reparameterize(model)
    assert stripe.asr.largest_difference(model, plain) <= 1e-10
    assert list(plain.state_dict()) == list(build("resnet20", attention=attention).state_dict())


@pytest.mark.slow
def test_every_name_builds() -> None:
    with torch.device("meta"):
        for name in stripe.list_backbones():
            network = stripe.build(name, num_classes=3, image_size=224).eval()
            assert network(torch.zeros(2, 3, 224, 224)).shape == (2, 3), name


@pytest.mark.slow
def test_where_the_paper_puts_attention() -> None:
    """Appendix C, Figures 6 to 10."""
    first = {
        "resnet50": "layer1.0.bn3",
        "resnet20_acnet": "layer1.0.conv2",
        "vgg19": "features.1",
        "repvgg_a0": "stem.attn",
        "shufflenetv2": "stage2.0.branch2.6",
        "mobilenet": "blocks.0.0.bn1.drop",
        "vit_s_16": "blocks.0.attn.proj",
    }
    for name, site in first.items():
        gated = [n for n, m in build(name, asr="ie").named_modules() if isinstance(m, Gated)]
        assert gated[0] == site


@pytest.mark.slow
@pytest.mark.parametrize("name", ["repvgg_a0", "resnet20_acnet"])
@pytest.mark.filterwarnings("ignore:the network has no ASR")
@pytest.mark.parametrize("asr", [None, "se"])
def test_branches_fuse_before_and_after_folding(name: str, asr: str | None) -> None:
    side, _ = ZOO[name]
    model = randomised(build(name, asr=asr).double())
    x = torch.randn(2, 3, side, side, dtype=torch.double)
    with torch.no_grad():
        expected = model(x)
        for fused in (
            fuse_branches(stripe.reparameterize(model)),
            stripe.reparameterize(fuse_branches(model)),
        ):
            torch.testing.assert_close(fused(x), expected, rtol=1e-9, atol=1e-12)
            assert len(fused.state_dict()) < len(model.state_dict())
    with pytest.raises(ModelError, match=r"call model\.eval"):
        fuse_branches(model.train())


def test_acnet_is_acnets_own() -> None:
    """Its builder makes every 3 x 3 convolution an ACBlock, whose norms begin at 0.333."""
    model = build("resnet20_acnet")
    assert isinstance(model.get_submodule("conv1"), ACBlock)
    blocks = [module for module in model.modules() if isinstance(module, ACBlock)]
    assert len(blocks) == 1 + 2 * 9
    inside = [norm for block in blocks for norm in block.modules() if _is_norm(norm)]
    assert len(inside) == 3 * len(blocks)
    assert all((norm.weight == 0.333).all() for norm in inside)
    outside = [m for m in model.modules() if _is_norm(m) and m not in inside]
    assert len(outside) == 2  # of the projections
    assert all((norm.weight == 1).all() for norm in outside)
    convolutions = [m for m in fuse_branches(model.eval()).modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == len(blocks) + 2


def _is_norm(module: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    return isinstance(module, nn.BatchNorm2d)


def test_mobilenet_has_relu() -> None:
    """Figure 9; timm's own has ReLU6."""
    kinds = {type(module).__name__ for module in build("mobilenet").modules()}
    assert "ReLU" in kinds
    assert "ReLU6" not in kinds


def test_the_stem_keeps_the_resolution_of_small_images() -> None:
    for name in ("resnet34", "shufflenetv2", "mobilenet"):
        seen: list[torch.Size] = []
        for side in (32, 224):
            model = stripe.build(name, image_size=side, num_classes=2).eval()
            first = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
            first.register_forward_hook(
                lambda m, args, output, seen=seen: seen.append(output.shape)
            )
            model(torch.zeros(1, 3, side, side))
        assert [shape[-1] for shape in seen] == [32, 112]


@pytest.mark.parametrize("name", ["resnet34", "vgg19", "shufflenetv2", "mobilenet", "repvgg_a0"])
def test_grey_images(name: str) -> None:
    model = stripe.build(name, num_classes=2, in_channels=1, image_size=32).eval()
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 2)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"depth 6n \+ 2 \(14, 20, 56, 110 \.\.\.\), got 57"):
        stripe.build("resnet57_basic")
    with pytest.raises(UnknownNameError, match="torchvision has no network 'resnet51'"):
        stripe.build("tv:resnet51")
    with pytest.raises(UnknownNameError, match=r"timm has no network 'resnext999'; it.*resne"):
        stripe.build("timm:resnext999")
    with pytest.raises(ModelError, match="multiple of 16, got 40"):
        stripe.build("vit_s_16", image_size=40)
    with pytest.raises(
        ModelError, match=r"timm cannot build 'resnet18\.nonexist': Invalid pretrained"
    ):
        stripe.build("timm:resnet18.nonexist")
    with pytest.raises(ModelError, match=r"torchvision cannot build 'vit_b_16': .*patch size"):
        stripe.build("tv:vit_b_16", image_size=100)
    with pytest.raises(ModelError, match=r"no rule says .*candidates: bn1"):
        stripe.build("timm:tf_efficientnet_b0", asr="se")
