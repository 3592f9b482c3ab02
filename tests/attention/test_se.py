"""The SE gate."""

import numpy as np
import torch
from timm.layers.squeeze_excite import SEModule

from stripe.attention import SE


def numpy_se(x: np.ndarray, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """Compute the gate in float64, written from equations 2 and 3 of the SE paper."""
    u = x.astype(np.float64).mean(axis=(2, 3))
    hidden = np.maximum(u @ parameters["reduce.weight"].T + parameters["reduce.bias"], 0)
    logits: np.ndarray = hidden @ parameters["expand.weight"].T + parameters["expand.bias"]
    gate: np.ndarray = 1 / (1 + np.exp(-logits))
    return gate


def test_agrees_with_numpy() -> None:
    torch.manual_seed(0)
    se, x = SE(32), torch.randn(3, 32, 5, 7)
    parameters = {k: v.detach().double().numpy().squeeze() for k, v in se.named_parameters()}
    np.testing.assert_allclose(
        se(x).detach().numpy()[..., 0, 0], numpy_se(x.numpy(), parameters), atol=1e-6
    )


def test_agrees_with_timm_given_the_same_weights() -> None:
    torch.manual_seed(0)
    ours, theirs = SE(32), SEModule(32, rd_ratio=1 / 16, rd_divisor=1)
    for mine, yours in ((ours.reduce, theirs.fc1), (ours.expand, theirs.fc2)):
        yours.load_state_dict(mine.state_dict())
    x = torch.randn(3, 32, 5, 7)
    torch.testing.assert_close(x * ours(x), theirs(x))


def test_hidden_layer_never_vanishes() -> None:
    assert SE(4).reduce.out_channels == 1


def test_channels_last_keeps_the_gradient_channels_last() -> None:
    x = torch.randn(2, 8, 6, 6).to(memory_format=torch.channels_last).requires_grad_()
    SE(8)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=torch.channels_last)
