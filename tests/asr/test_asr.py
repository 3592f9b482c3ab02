"""The gate of an ASR, and how psi is learned."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import stripe
from stripe import Gated, Psi
from stripe.asr import ASR
from stripe.attention import SE
from stripe.errors import ModelError

ALL = ["se", "ie", "srm", "eca", "spa", "cbam", "dia", "psi"]


def asrs(model: nn.Module) -> list[ASR]:
    return [module for module in model.modules() if isinstance(module, ASR)]


def test_ignores_the_features() -> None:
    torch.manual_seed(0)
    asr = ASR(SE(8), torch.full((1, 8, 1, 1), 0.1))
    first, second = asr(torch.randn(3, 8, 4, 4)), asr(torch.zeros(1, 8, 2, 2))
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, asr.attention(asr.psi))
    assert first.shape == (1, 8, 1, 1)


def test_without_attention_the_gate_is_psi() -> None:
    psi = torch.randn(1, 8, 1, 1)
    torch.testing.assert_close(ASR(None, psi)(torch.zeros(1, 8, 2, 2)), psi)


def test_follows_the_number_format_of_the_features() -> None:
    asr = ASR(None, torch.ones(1, 2, 1, 1))
    assert asr(torch.zeros(1, 2, 2, 2, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("batch", [1, 4])
def test_gradients_reach_psi_and_every_parameter(name: str, batch: int) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3))
    model = stripe.insert(model, asr=name, sites=["0", "1"]).train()
    loss = model(torch.randn(batch, 3, 8, 8)).square().mean()
    loss.backward()
    assert torch.isfinite(loss)
    for parameter in model.parameters():  # none is unused, which DDP would refuse
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
    for asr in asrs(model):
        assert isinstance(asr.psi, nn.Parameter)
        assert asr.psi.grad is not None
        assert asr.psi.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["se", "spa"])
def test_psi_moves_also_where_the_hidden_layer_has_one_unit(name: str) -> None:
    """With 16 channels half of the modules would begin behind a closed ReLU."""
    for seed in range(3):
        model = stripe.build("resnet20_basic", asr=name, num_classes=10, seed=seed)
        model(torch.randn(4, 3, 16, 16)).square().mean().backward()
        for asr in asrs(model):
            assert isinstance(asr.psi, nn.Parameter)
            assert asr.psi.grad is not None
            assert asr.psi.grad.abs().sum() > 0
            assert all(p.grad is not None and p.grad.any() for p in asr.attention.parameters())


def test_dia_keeps_its_one_cell_per_stage() -> None:
    """Also where the cell is so narrow that psi may not move it: it is never drawn again."""
    for seed in range(5):
        torch.manual_seed(seed)
        model = nn.Sequential(*(nn.BatchNorm2d(4) for _ in range(3)))
        model = stripe.insert(model, asr="dia", sites=["0", "1", "2"])
        cells = {id(model.get_submodule(f"{i}.gate.attention.cell")) for i in range(3)}
        assert len(cells) == 1


def test_builds_on_the_meta_device() -> None:
    with torch.device("meta"):
        model = stripe.build("resnet20_basic", asr="se", num_classes=10)
    assert len(asrs(model)) == 9


def test_a_batch_norm_in_a_module_of_ones_own() -> None:
    """Psi is a batch of one, which a batch norm refuses in training."""

    def attention(channels: int) -> nn.Module:
        layers = [nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 4, 1), nn.BatchNorm2d(4)]
        return nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(4, channels, 1), nn.Sigmoid())

    model = stripe.build("resnet20", asr=attention, num_classes=10).train()
    loss = model(torch.randn(4, 3, 16, 16)).sum()
    loss.backward()
    assert torch.isfinite(loss)
    plain = stripe.reparameterize(model.eval())
    assert list(plain.state_dict()) == list(stripe.build("resnet20", num_classes=10).state_dict())


def test_named_sites_of_a_vit_begin_as_the_paper_says_too() -> None:
    model = stripe.build("vit_s_16", num_classes=10, image_size=32)
    model = stripe.insert(model, asr="se", sites="blocks.*.attn.proj")
    assert len(asrs(model)) == 12
    assert all((asr.psi == 1e-3).all() for asr in asrs(model))
    assert all(asr.attention.activation is torch.tanh for asr in asrs(model))


def test_how_psi_begins() -> None:
    """Table 7: C_i and N_i, learnable or not; Table 13: any value."""
    model = stripe.build("resnet20", asr="ie", num_classes=10)
    assert all((asr.psi == 0.1).all() for asr in asrs(model))
    model = stripe.build("resnet20", asr="ie", num_classes=10, psi=0.6)
    assert all((asr.psi == 0.6).all() for asr in asrs(model))
    psi = Psi(value=0.5, kind="normal", learnable=False)
    model = stripe.build("resnet20", asr="ie", num_classes=10, psi=psi, seed=0)
    values = torch.cat([asr.psi.flatten() for asr in asrs(model)])
    assert not any(isinstance(asr.psi, nn.Parameter) for asr in asrs(model))
    assert values.std() == pytest.approx(0.5, rel=0.1)
    assert "layer1.0.bn3.gate.psi" in model.state_dict()


def test_copies_multiply() -> None:
    """Tables 6 and 14: delta gates at one place."""
    model = nn.Sequential(nn.BatchNorm2d(4)).eval()
    model = stripe.insert(model, asr="psi", copies=3, psi=0.5, sites=["0"])
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(model(x), nn.BatchNorm2d(4).eval()(x) / 8)


@pytest.mark.parametrize("first", ["attention", "asr"])
def test_asr_goes_inside_attention_in_either_order(first: str) -> None:
    model = nn.Sequential(nn.BatchNorm2d(32))
    second = "asr" if first == "attention" else "attention"
    for kind in (first, second):
        if kind == "asr":
            model = stripe.insert(model, asr="se", sites=["0"])
        else:
            model = stripe.insert(model, attention="se", sites=["0"])
    outer = model[0]
    assert isinstance(outer, Gated)
    assert isinstance(outer.gate, SE)
    assert isinstance(outer.host, Gated)
    assert isinstance(outer.host.gate, ASR)


def test_a_vit_begins_as_the_paper_says() -> None:
    """Appendix C: Tanh, psi and the weights at 1e-3, after attention and after the MLP."""
    model = stripe.build("vit_s_16", asr="se", num_classes=10, image_size=32)
    gates = asrs(model)
    assert len(gates) == 24
    for asr in gates:
        assert (asr.psi == 1e-3).all()
        assert all((parameter == 1e-3).all() for parameter in asr.attention.parameters())
        hidden = 384 * 1e-3 * 1e-3 + 1e-3
        expected = torch.tanh(torch.tensor(24 * hidden * 1e-3 + 1e-3))
        torch.testing.assert_close(asr.value(), expected.expand(1, 384, 1, 1))


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ModelError, match="needs attention= or asr=, got neither"):
        stripe.insert(nn.Sequential(nn.BatchNorm2d(4)), sites=["0"])
    with pytest.raises(ModelError, match="copies is 1 or more, got 0"):
        stripe.insert(nn.Sequential(nn.BatchNorm2d(4)), asr="se", sites=["0"], copies=0)
    with pytest.raises(ModelError, match=r"must return a gate \(B, 4, 1, 1\), got shape \(2, 8"):
        stripe.insert(
            nn.Sequential(nn.BatchNorm2d(4)),
            asr=lambda channels: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 8, 1)),
            sites=["0"],
        )


DDP = """
import sys
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
import stripe
distributed.init_process_group("gloo", f"file://{sys.argv[1]}", rank=0, world_size=1)
for name in stripe.list_attentions():
    model = stripe.build("resnet20", asr=name, attention=name, num_classes=10, seed=0)
    parallel = DistributedDataParallel(model)  # it raises in step two if a parameter is unused
    for _ in range(2):
        parallel(torch.randn(2, 3, 16, 16)).sum().backward()
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_ddp_finds_no_unused_parameter(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DDP, str(tmp_path / "store")], check=True)
