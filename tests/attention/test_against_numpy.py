"""Every attention module against its formula, written again in float64 numpy."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from stripe.attention import ATTENTIONS, DIA

B, C, H, W = 3, 32, 6, 5
Weights = dict[str, np.ndarray]


def sigmoid(z: np.ndarray) -> np.ndarray:
    gate: np.ndarray = 1 / (1 + np.exp(-z))
    return gate


def relu(z: np.ndarray) -> np.ndarray:
    positive: np.ndarray = np.maximum(z, 0)
    return positive


def se(x: np.ndarray, w: Weights) -> np.ndarray:
    hidden = relu(x.mean((2, 3)) @ w["reduce.weight"][..., 0, 0].T + w["reduce.bias"])
    return sigmoid(hidden @ w["expand.weight"][..., 0, 0].T + w["expand.bias"])


def ie(x: np.ndarray, w: Weights) -> np.ndarray:
    return sigmoid(x.mean((2, 3)) * w["weight"].ravel() + w["bias"].ravel())


def srm(x: np.ndarray, w: Weights) -> np.ndarray:
    deviation = np.sqrt(x.var((2, 3)) + 1e-5)
    z = w["style"][:, 0] * x.mean((2, 3)) + w["style"][:, 1] * deviation
    z = (z - w["norm.running_mean"]) / np.sqrt(w["norm.running_var"] + 1e-5)
    return sigmoid(z * w["norm.weight"] + w["norm.bias"])


def eca(x: np.ndarray, w: Weights) -> np.ndarray:
    kernel = w["conv.weight"].ravel()
    u = np.pad(x.mean((2, 3)), ((0, 0), (len(kernel) // 2,) * 2))
    return sigmoid(np.stack([np.correlate(row, kernel, "valid") for row in u]))


def spa(x: np.ndarray, w: Weights) -> np.ndarray:
    cells = []
    for level in (1, 2, 4):
        rows = [(i * H // level, -(-(i + 1) * H // level)) for i in range(level)]
        columns = [(j * W // level, -(-(j + 1) * W // level)) for j in range(level)]
        grid = [[x[:, :, a:b, c:d].mean((2, 3)) for c, d in columns] for a, b in rows]
        cells.append(np.array(grid).transpose(2, 3, 0, 1).reshape(B, -1))
    hidden = relu(np.concatenate(cells, 1) @ w["reduce.weight"].T)
    return sigmoid(hidden @ w["expand.weight"].T)


def cbam(x: np.ndarray, w: Weights) -> np.ndarray:
    def mlp(u: np.ndarray) -> np.ndarray:
        hidden = relu(u @ w["channel.reduce.weight"][..., 0, 0].T)
        out: np.ndarray = hidden @ w["channel.expand.weight"][..., 0, 0].T
        return out

    channel = sigmoid(mlp(x.mean((2, 3))) + mlp(x.max((2, 3))))[:, :, None, None]
    y = x * channel
    planes = np.stack([y.mean(1), y.max(1)], axis=1)
    padded = np.pad(planes, ((0, 0), (0, 0), (3, 3), (3, 3)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(2, 3))
    spatial = sigmoid(np.einsum("bihwkl,ikl->bhw", windows, w["spatial.conv.weight"][0]))
    gate: np.ndarray = channel * spatial[:, None]
    return gate


def dia(x: np.ndarray, w: Weights) -> np.ndarray:
    """One step from a state of zeros."""

    def bottleneck(u: np.ndarray, name: str) -> np.ndarray:
        hidden = relu(u @ w[f"cell.{name}.0.weight"].T + w[f"cell.{name}.0.bias"])
        out: np.ndarray = hidden @ w[f"cell.{name}.2.weight"].T + w[f"cell.{name}.2.bias"]
        return out

    u = x.mean((2, 3))
    z = bottleneck(u, "of_input") + bottleneck(np.zeros_like(u), "of_hidden")
    enter, _, candidate, out = np.split(z, 4, axis=1)
    gate: np.ndarray = sigmoid(out) * sigmoid(sigmoid(enter) * np.tanh(candidate))
    return gate


REFERENCES: dict[str, Callable[[np.ndarray, Weights], np.ndarray]] = {
    "se": se, "ie": ie, "srm": srm, "eca": eca, "spa": spa, "cbam": cbam, "dia": dia
}  # fmt: skip


def module(name: str) -> nn.Module:
    """Return a module in evaluation, with random norm statistics and affine parameters."""
    torch.manual_seed(0)
    built: nn.Module = ATTENTIONS[name](C).double().eval()
    for tensor in [*built.parameters(), *built.buffers()]:
        if tensor.is_floating_point():
            tensor.data = tensor.data + 0.3 * torch.rand_like(tensor)
    return built


@pytest.mark.parametrize("name", REFERENCES)
def test_agrees_with_numpy(name: str) -> None:
    attention = module(name)
    x = torch.randn(B, C, H, W, dtype=torch.double)
    weights = {key: tensor.numpy() for key, tensor in attention.state_dict().items()}
    with torch.no_grad():
        gate = attention(x)
    expected = REFERENCES[name](x.numpy(), weights)
    np.testing.assert_allclose(gate.numpy().reshape(expected.shape), expected, rtol=1e-12)


def test_every_module_has_a_reference() -> None:
    assert set(REFERENCES) == set(ATTENTIONS.names())


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("batch", [1, 2])
def test_a_plane_of_one_pixel_is_fine_in_training(name: str, batch: int) -> None:
    """What ASR's psi is: finite values and gradients, also through norms and deviations."""
    attention = ATTENTIONS[name](C).train()
    x = torch.full((batch, C, 1, 1), 0.1).requires_grad_()
    gate = attention(x)
    gate.sum().backward()
    assert gate.shape == (batch, C, 1, 1)
    assert x.grad is not None
    for tensor in (gate, x.grad, *(p.grad for p in attention.parameters())):
        assert tensor is not None
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("name", REFERENCES)
def test_channels_last_changes_nothing(name: str) -> None:
    attention = module(name)
    x = torch.randn(B, C, H, W, dtype=torch.double)
    with torch.no_grad():
        torch.testing.assert_close(
            attention(x.to(memory_format=torch.channels_last)), attention(x), rtol=1e-12, atol=0
        )


def test_the_kernel_of_eca_grows_with_the_channels() -> None:
    """ECA's equation 12 with gamma 2 and b 1, for the widths of ResNet164."""
    sizes = {c: ATTENTIONS["eca"](c).conv.kernel_size[0] for c in (64, 128, 256, 2048)}
    assert sizes == {64: 3, 128: 5, 256: 5, 2048: 7}
    assert math.log2(2048) == 11


def test_dia_carries_its_state_through_a_stage() -> None:
    """By hand: the second gate is one more step of the cell from the state of the first."""
    torch.manual_seed(0)
    first, second, other = DIA.along([8, 8, 16])
    assert first.cell is second.cell
    assert other.cell is not first.cell
    a, b = torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4)
    one, two = first(a), second(b)
    state = first.cell(a.mean((2, 3)), None)
    torch.testing.assert_close(one.flatten(1), state[0])
    torch.testing.assert_close(two.flatten(1), first.cell(b.mean((2, 3)), state)[0])
    torch.testing.assert_close((first(a), second(b)), (one, two))  # nothing is left over
