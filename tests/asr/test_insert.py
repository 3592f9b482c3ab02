"""Attention and ASR inserted into models, and what is refused."""

from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from stripe import insert
from stripe.asr import Gated, Psi
from stripe.errors import ModelError, UnknownNameError


def gated_names(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, Gated)]


def test_goes_after_the_last_norm_of_every_residual_block() -> None:
    bottlenecks = insert(torchvision.models.resnet50(), attention="se")
    assert len(gated_names(bottlenecks)) == 16
    assert gated_names(bottlenecks)[0] == "layer1.0.bn3"
    basic = insert(torchvision.models.resnet18(), attention="se")
    assert gated_names(basic)[-1] == "layer4.1.bn2"


def test_sites_and_modules_of_ones_own() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Linear(4, 4))
    built = []

    def attention(channels: int) -> nn.Module:
        built.append(channels)
        return nn.Identity()

    assert insert(model, attention=attention, sites=["0"], inplace=True) is model
    assert built == [6]
    x = torch.randn(2, 3, 4, 4)
    host = model.get_submodule("0.host")(x)
    torch.testing.assert_close(model[0](x), host * host)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(UnknownNameError, match="no layer 'layer9'; nearest: layer"):
        insert(torchvision.models.resnet18(), attention="se", sites=["layer9"])
    with pytest.raises(UnknownNameError, match="unknown attention module 'sse'"):
        insert(torchvision.models.resnet18(), attention="sse")
    with pytest.raises(ModelError, match="site 'relu' must be a convolution"):
        insert(torchvision.models.resnet18(), attention="se", sites=["relu"])
    with pytest.raises(ModelError, match="no rule says where attention goes in a Sequential"):
        insert(nn.Sequential(nn.Conv2d(3, 6, 1)), attention="se")


def test_an_error_leaves_the_model_as_it_was() -> None:
    model = torchvision.models.resnet18()
    keys = list(model.state_dict())
    with pytest.raises(UnknownNameError, match="unknown attention module 'nope'"):
        insert(model, asr="se", attention="nope")
    with pytest.raises(ModelError, match=r"'layer1\.0\.bn2' is inside 'layer1\.0'"):
        insert(model, asr="se", sites=["layer1.0", "layer1.0.bn2"])
    assert list(model.state_dict()) == keys
    model = insert(model, attention="se")
    keys = list(model.state_dict())
    with pytest.raises(ModelError, match=r"site 'layer1\.0\.bn2' has attention already"):
        insert(model, attention="se", asr="se")
    assert list(model.state_dict()) == keys


@pytest.mark.parametrize(
    ("model", "site"),
    [
        (nn.TransformerEncoderLayer(16, 2), "linear2"),
        (nn.Sequential(nn.MultiheadAttention(16, 2)), "0.out_proj"),
    ],
)
def test_layers_that_are_never_called_are_refused(model: nn.Module, site: str) -> None:
    with pytest.raises(ModelError, match="reads its weights and never calls it"):
        insert(model, asr="se", sites=[site])


@pytest.mark.parametrize("kind", ["attention", "asr"])
def test_a_norm_of_whole_planes_has_no_axis_of_channels(kind: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.LayerNorm([8, 16, 16]))
    options: Any = {kind: "se"}
    with pytest.raises(ModelError, match=r"normalise the channels alone .* \(8, 16, 16\)"):
        insert(model, sites=["1"], **options)


def test_tokens_first_would_mix_images() -> None:
    with pytest.raises(ModelError, match="build it with batch_first=True"):
        insert(nn.Sequential(nn.MultiheadAttention(16, 2)), attention="se", sites=["0"])


def test_sites_are_taken_in_forward_order() -> None:
    """DIA hands its state on in this order."""
    model = nn.Sequential(nn.BatchNorm2d(8), nn.BatchNorm2d(8))
    model = insert(model, attention="dia", sites=["1", "0"])
    assert [model.get_submodule(f"{i}.gate").first for i in (0, 1)] == [True, False]
    x = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(model.eval()(x), model(x))


def test_candidates_are_layers_that_fold() -> None:
    with pytest.raises(ModelError, match=r"candidates: bn1\.drop, "):
        insert(timm.create_model("efficientnet_b0"), asr="se")
    with pytest.raises(ModelError, match="candidates: 0, 1"):
        insert(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)), asr="se")
    assert len(gated_names(insert(timm.create_model("vgg11_bn"), asr="se"))) == 8


def test_a_copy_is_changed_unless_it_is_asked_for() -> None:
    model = torchvision.models.resnet18(num_classes=3)
    keys = list(model.state_dict())
    gated = insert(model, asr="se")
    assert gated is not model
    assert list(model.state_dict()) == keys
    assert any(isinstance(module, Gated) for module in gated.modules())
    assert insert(model, asr="se", inplace=True) is model
    assert list(model.state_dict()) == list(gated.state_dict())


def test_a_seed_draws_the_same_modules_and_leaves_the_generator() -> None:
    model = nn.Sequential(nn.Conv2d(3, 32, 1), nn.BatchNorm2d(32))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second, other = (
        insert(model, attention="se", sites="1", seed=seed).state_dict() for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    weight = next(name for name in first if name.startswith("1.gate") and name.endswith("weight"))
    assert torch.equal(first[weight], second[weight])
    assert not torch.equal(first[weight], other[weight])


def test_psi_is_a_number_a_psi_or_its_text() -> None:
    model = nn.Sequential(nn.BatchNorm2d(4))
    for psi in (0.3, Psi(value=0.3), "0.3", "constant:0.3"):
        inserted = insert(model, asr="psi", psi=psi, sites="0")
        assert inserted.get_parameter("0.gate.psi").flatten().tolist() == pytest.approx([0.3] * 4)
    fixed = insert(model, asr="psi", psi="normal:0.3,fixed", sites="0")
    assert not list(fixed.get_submodule("0.gate").parameters())
    with pytest.raises(ModelError, match="psi is a number"):
        insert(model, asr="psi", psi="many", sites="0")
