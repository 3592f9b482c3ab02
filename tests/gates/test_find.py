import torch
from torch import nn

from stripe import find_gates
from stripe.gates import undisturbed


def test_finds_gates_in_forward_order(small_model: nn.Sequential, images: torch.Tensor) -> None:
    gates = find_gates(small_model, images)
    assert [(gate.name, gate.owner, gate.channels) for gate in gates] == [
        ("1.gate", "1", 8),
        ("4.gate", "4", 4),
    ]
    assert {(gate.owner_class, gate.kind, gate.layout) for gate in gates} == {
        ("Gated", "gate", "NC11")
    }


def test_finds_none_where_there_is_none(images: torch.Tensor) -> None:
    assert find_gates(nn.Sequential(nn.Conv2d(1, 2, 3)), images) == []


def test_undisturbed_restores_every_mode_and_the_generator(small_model: nn.Sequential) -> None:
    small_model.train()
    small_model[1].eval()  # frozen inside a training model
    modes = [module.training for module in small_model.modules()]
    state = torch.get_rng_state()
    with undisturbed(small_model):
        assert not any(module.training for module in small_model.modules())
        assert not torch.is_grad_enabled()
        torch.rand(3)
    assert [module.training for module in small_model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
