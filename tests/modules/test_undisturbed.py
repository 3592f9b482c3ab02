"""A model that ran undisturbed is as it was before, and so are the generators."""

import torch
from torch import nn

from stripe.modules import undisturbed


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
