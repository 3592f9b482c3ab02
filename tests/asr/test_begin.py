"""How attention modules begin, as attention and in an ASR."""

import pytest
import timm
import torch
from torch import nn

import stripe
from stripe.asr import ASR
from stripe.asr.begin import Init, asr_modules
from stripe.asr.sites import FamilyDefaults
from stripe.attention import IE, SE
from stripe.errors import ModelError


def asrs(model: nn.Module) -> list[ASR]:
    return [module for module in model.modules() if isinstance(module, ASR)]


def test_ie_starts_as_published_where_it_is_attention() -> None:
    """w = 0, b = -1: the gate is sigmoid(-1), whatever the image, and w has a gradient."""
    model = stripe.build("resnet20", attention="ie", num_classes=10, seed=0)
    gates = [module for module in model.modules() if isinstance(module, IE)]
    assert len(gates) == 6
    for gate in gates:
        assert (gate.weight == 0).all()
        assert (gate.bias == -1).all()
    model(torch.randn(4, 3, 16, 16)).square().mean().backward()
    assert all(gate.weight.grad is not None and gate.weight.grad.any() for gate in gates)


def test_the_ie_of_an_asr_starts_where_psi_matters() -> None:
    model = stripe.build("resnet20", attention="ie", asr="ie", copies=2, num_classes=10)
    for asr in asrs(model):
        assert isinstance(asr.attention, IE)
        assert (asr.attention.weight == 0.1).all()
        assert asr.moves()


def vit(asr: str, init: Init) -> nn.Module:
    """Return a ViT of two blocks, 192 channels wide."""
    torch.manual_seed(0)
    plain = timm.create_model("vit_tiny_patch16_224", num_classes=10, img_size=32, depth=2)
    return stripe.insert(plain, asr=asr, init=init)


def trained(init: Init) -> nn.Module:
    """Return a ViT after three steps of AdamW."""
    model = vit("se", init)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=5e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        images = torch.randn(4, 3, 32, 32, generator=generator)
        loss = nn.functional.cross_entropy(model(images), torch.arange(4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def test_the_papers_start_of_a_vit_is_a_symmetry_that_training_keeps() -> None:
    for asr in asrs(trained("paper")):
        assert isinstance(asr.attention, SE)
        units = asr.attention.reduce.weight.flatten(1)  # (hidden, C)
        assert (units - units[:1]).abs().max() < 1e-6 * units.abs().max()
        assert (asr.psi - asr.psi.mean()).abs().max() < 1e-4 * asr.psi.abs().mean()


def test_a_drawn_start_of_a_vit_breaks_it() -> None:
    for asr in asrs(trained("drawn")):
        assert isinstance(asr.attention, SE)
        units = asr.attention.reduce.weight.flatten(1)
        assert torch.linalg.matrix_rank(units) == len(units) == 12
        assert asr.psi.std() > 1e-2 * asr.psi.abs().mean()


@pytest.mark.parametrize("asr", ["se", "eca", "srm"])
def test_gates_of_a_drawn_vit_start_at_some_thousandths(asr: str) -> None:
    """The modules of Table 2; the paper's literal start has ECA at 5e-6."""

    def sizes(init: Init) -> torch.Tensor:
        return torch.stack([gate.value().abs().mean() for gate in asrs(vit(asr, init))])

    assert sizes("drawn").mean() > 1e-4
    assert sizes("drawn").max() < 1e-2
    if asr == "eca":
        assert sizes("paper").max() < 6e-6


def test_a_module_that_is_drawn_again_begins_as_the_others() -> None:
    """With one hidden unit, about half of the modules begin behind a closed ReLU."""
    torch.manual_seed(0)
    defaults = FamilyDefaults(sites=(), psi=1.0, weight=1e-3)
    gates = asr_modules("se", [16] * 40, defaults, psi=None, init="drawn")
    for gate in gates:
        assert gate.moves()
        assert isinstance(gate.attention, SE)
        for layer in (gate.attention.reduce, gate.attention.expand):
            assert layer.bias is not None
            assert (layer.bias == 1e-3).all()
            assert not (layer.weight == 1e-3).any()


def test_a_gate_moves_if_its_values_do() -> None:
    """The sum of a softmax is constant, and a detached gate has no gradient at all."""

    class Softmax(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.softmax(1)

    class Detached(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x.detach())

    psi = torch.randn(1, 8, 1, 1)
    assert ASR(Softmax(), psi).moves()
    assert not ASR(Detached(), psi).moves()


@pytest.mark.usefixtures("as_a_user")
def test_only_a_vit_begins_in_two_ways() -> None:
    inits: tuple[Init, ...] = ("paper", "drawn")
    by_init = [stripe.build("resnet20", asr="se", seed=0, init=init) for init in inits]
    for one, other in zip(*(model.state_dict().values() for model in by_init), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    with pytest.raises(ModelError, match="init is paper or drawn, got 'zero'"):
        stripe.build("resnet20", asr="se", init="zero")  # type: ignore[arg-type]
