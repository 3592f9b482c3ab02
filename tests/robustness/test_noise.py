"""Noise in batch norms, against the paper's formula written out in float64."""

import copy
from contextlib import suppress
from typing import Any

import pytest
import timm
import torch
import torchvision
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

import stripe
from stripe.errors import ModelError, UnknownNameError
from stripe.robustness import NoiseSpec


def reference(
    norm: _BatchNorm, x: Tensor, n_a: Tensor | float, n_b: Tensor | float, by_batch: bool
) -> Tensor:
    """Return `((x - mu) / sigma * N_a + N_b) * gamma + beta`, as in the paper."""
    mean = x.mean((0, 2, 3)) if by_batch else norm.running_mean
    variance = x.var((0, 2, 3), unbiased=False) if by_batch else norm.running_var
    assert mean is not None
    assert variance is not None

    def planes(vector: Tensor) -> Tensor:
        return vector.view(1, -1, 1, 1)

    x_hat = (x - planes(mean)) / (planes(variance) + norm.eps).sqrt()
    return (x_hat * n_a + n_b) * planes(norm.weight) + planes(norm.bias)


@pytest.fixture
def norm() -> nn.BatchNorm2d:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(5).double()
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)  # type: ignore[arg-type]
    nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
    return norm


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, 5, 3, 3, generator=torch.Generator().manual_seed(1)).double()


def gradients(output: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(2)).to(output)
    return torch.autograd.grad((output * weights).sum(), of)


def drawn(spec: str, channels: int, seed: int = 7) -> tuple[Tensor, Tensor]:
    """Return the N_a and N_b that the generator gives first."""
    noise = NoiseSpec.parse(spec)
    count = channels if noise.per == "channel" else 1
    normal = torch.randn(2, count, generator=torch.Generator().manual_seed(seed)).double()
    n_a, n_b = 1 + noise.a * normal[0], noise.b * normal[1]
    return n_a.view(1, -1, 1, 1), n_b.view(1, -1, 1, 1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("spec", ["constant:0.8,0.5", "random:0.3,0.2", "random:0.3,0.2,per=layer"])
def test_formula_forward_and_backward(
    norm: nn.BatchNorm2d, x: Tensor, spec: str, training: bool
) -> None:
    expected_norm = copy.deepcopy(norm)
    n_a, n_b = (0.8, 0.5) if spec.startswith("constant") else drawn(spec, 5)
    norm.train(training)
    x.requires_grad_()
    with stripe.inject_noise(norm, spec, seed=7):
        output = norm(x)
    expected = reference(expected_norm, x, n_a, n_b, training)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
    ours = gradients(output, x, norm.weight, norm.bias)
    theirs = gradients(expected, x, expected_norm.weight, expected_norm.bias)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_batch_noise_is_the_statistics_of_the_batch_in_evaluation(
    norm: nn.BatchNorm2d, x: Tensor
) -> None:
    before = copy.deepcopy(norm.state_dict())
    norm.eval()
    with stripe.inject_noise(norm, "batch"):
        noisy = norm(x)
    torch.testing.assert_close(noisy, reference(norm, x, 1.0, 0.0, by_batch=True))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert not torch.equal(noisy, norm(x))
    with stripe.inject_noise(norm, "batch"), pytest.raises(ModelError, match="more than one value"):
        norm(x[:1, :, :1, :1])


MODELS: dict[str, Any] = {
    "torchvision": lambda: torchvision.models.resnet18(num_classes=4),
    "timm with activations in its norms": lambda: timm.create_model(
        "efficientnet_b0", num_classes=4
    ),
    "ours": lambda: stripe.build("resnet11", attention="srm", num_classes=4),
}


@pytest.fixture(params=MODELS, scope="module")
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    network: nn.Module = MODELS[request.param]()
    return network


IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spec", ["constant:1,0", "random:0,0"])
def test_no_noise_changes_nothing_to_the_bit(model: nn.Module, spec: str) -> None:
    model.eval()
    with torch.no_grad():
        plain = model(IMAGES)
        with stripe.inject_noise(model, spec):
            assert torch.equal(plain, model(IMAGES))


def test_noise_is_taken_out_without_trace(model: nn.Module) -> None:
    model.eval()
    state = copy.deepcopy(model.state_dict())
    torch.manual_seed(5)
    expected_draw = torch.rand(1)
    torch.manual_seed(5)
    with torch.no_grad():
        plain = model(IMAGES)
        with (
            suppress(KeyboardInterrupt),
            stripe.inject_noise(model, "random:0.3,0.3") as noise,
        ):
            noisy, again = model(IMAGES), model(IMAGES)
            kept = copy.deepcopy(model)
            raise KeyboardInterrupt
        assert not torch.allclose(plain, noisy)
        assert not torch.allclose(noisy, again)  # drawn in every pass
        assert torch.equal(plain, model(IMAGES))
        assert torch.equal(plain, kept(IMAGES))  # a copy made meanwhile is free of it too
    assert torch.equal(torch.rand(1), expected_draw)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])
    assert len(noise.modules) >= 10


def test_a_generator_continues_from_its_state(model: nn.Module) -> None:
    model.eval()
    with torch.no_grad(), stripe.inject_noise(model, "random:0.3,0.3", seed=3) as noise:
        model(IMAGES)
        state = noise.state_dict()
        second = model(IMAGES)
        noise.load_state_dict(state)
        assert torch.equal(second, model(IMAGES))
    with torch.no_grad(), stripe.inject_noise(model, "random:0.3,0.3", seed=3):
        model(IMAGES)
        assert torch.equal(second, model(IMAGES))


def test_timm_noise_comes_before_the_activation() -> None:
    norm = BatchNormAct2d(5, act_layer=nn.ReLU).double().eval()
    nn.init.normal_(norm.bias)
    x = torch.randn(4, 5, 3, 3).double()
    with stripe.inject_noise(norm, "constant:0.8,-0.5"):
        output = norm(x)
    torch.testing.assert_close(output, reference(norm, x, 0.8, -0.5, by_batch=False).relu())


def test_which_norms() -> None:
    model = stripe.build("resnet11", attention="srm", num_classes=4)
    everywhere = stripe.inject_noise(model, "constant:0.8,0.8").modules
    assert len(everywhere) == sum(type(m) is nn.BatchNorm2d for m in model.modules())
    gates = stripe.inject_noise(model, "constant:0.8,0.8,modules=*.gate.norm").modules
    assert len(gates) == 3
    assert not set(gates) & set(everywhere)
    with pytest.raises(
        UnknownNameError, match=r"no batch norm 'layer1.0.bn9'; nearest: layer1.0.bn"
    ):
        stripe.inject_noise(model, "batch,modules=layer1.0.bn9")
    with pytest.raises(ModelError, match="has no batch norms"):
        stripe.inject_noise(nn.Linear(2, 2), "batch")


def test_norms_are_chosen_as_gates_are() -> None:
    model = stripe.build("resnet11", attention="srm", num_classes=4)
    one, other = "layer1.0.bn1", "layer2.0.bn1"
    choices: list[dict[str, Any]] = [
        {"spec": f"batch,modules={one}+layer2.0.bn1"},
        {"spec": "batch", "modules": [one, "layer2.?.bn1"]},
        {"spec": "batch,modules=layer3.*", "modules": lambda layer: layer.name in (one, other)},
    ]
    for chosen in choices:
        assert stripe.inject_noise(model, **chosen).modules == [one, other]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert len(stripe.inject_noise(model, "batch", modules="all").modules) == len(norms)


def test_when(norm: nn.BatchNorm2d, x: Tensor) -> None:
    for when, changed in (("train", [True, False]), ("eval", [False, True]), ("both", [True] * 2)):
        for training, differs in zip((True, False), changed, strict=True):
            norm.train(training)
            plain = norm(x)
            with stripe.inject_noise(norm, f"constant:0.8,0.8,when={when}"):
                assert torch.equal(plain, norm(x)) != differs


def test_spread_of_random_noise() -> None:
    norm = nn.BatchNorm2d(4000).double().eval()
    x = torch.ones(1, 4000, 1, 1).double()
    zeros = torch.zeros_like(x)
    with torch.no_grad(), stripe.inject_noise(norm, "random:0.3,0.1", seed=0) as noise:
        state = noise.state_dict()
        offset = norm(zeros)
        noise.load_state_dict(state)
        scale = norm(x) - offset
    assert float(scale.mean()) == pytest.approx(1, abs=0.02)
    assert float(scale.std()) == pytest.approx(0.3, rel=0.05)
    assert float(offset.std()) == pytest.approx(0.1, rel=0.05)


def test_under_autocast_the_type_stays(x: Tensor) -> None:
    norm = nn.BatchNorm2d(5).eval()
    half = x.bfloat16()
    for spec in ("constant:0.8,0.5", "random:0.3,0.3", "random:0.3,0.3,per=layer", "batch"):
        with stripe.inject_noise(norm, spec), torch.autocast("cpu", torch.bfloat16):
            assert norm(half).dtype == torch.bfloat16


def test_norms_without_affine_parameters(x: Tensor) -> None:
    norm = nn.BatchNorm2d(5, affine=False).double().eval()
    plain = norm(x)
    with stripe.inject_noise(norm, "constant:0.8,0.5"):
        torch.testing.assert_close(norm(x), 0.8 * plain + 0.5)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_compiled_model_hears_the_noise(in_place: bool) -> None:
    torch.manual_seed(0)
    model: Any = torchvision.models.resnet18(num_classes=4).eval()
    expected: Tensor
    with torch.no_grad():
        with stripe.inject_noise(model, "constant:0.8,0.5"):
            expected = model(IMAGES)
        compiled: Any = model
        if in_place:
            model.compile(backend="eager")
        else:
            compiled = torch.compile(model, backend="eager")
        with torch.compiler.set_stance("force_eager"):  # the tests' type checks cannot be compiled
            plain = compiled(IMAGES)
        with stripe.inject_noise(compiled, "constant:0.8,0.5"):
            noisy = compiled(IMAGES)
    torch.testing.assert_close(noisy, expected)
    assert not torch.allclose(noisy, plain)


class Unheard(nn.Module):
    """Has a norm and does not call it as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(5)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.batch_norm(x, self.norm.running_mean, self.norm.running_var)


def test_noise_that_nothing_hears_is_an_error(x: Tensor) -> None:
    model = Unheard().double().eval()
    with (
        pytest.raises(ModelError, match="none of its norms did"),
        stripe.inject_noise(model, "batch"),
    ):
        model(x)
    with stripe.inject_noise(model, "constant:0.8,0.8"):
        pass  # nothing ran


def test_one_noise_is_entered_once(norm: nn.BatchNorm2d, x: Tensor) -> None:
    noise = stripe.inject_noise(norm, "constant:0.8,0.8")
    with noise, pytest.raises(ModelError, match="already in the model"):
        noise.__enter__()
    plain = norm.eval()(x)
    with noise, stripe.inject_noise(norm, "constant:0.5,0"):  # two of them follow each other
        both = norm(x)
    assert torch.equal(norm(x), plain)
    gamma, beta = norm.weight.view(1, -1, 1, 1), norm.bias.view(1, -1, 1, 1)
    x_hat = (plain - beta) / gamma
    torch.testing.assert_close(both, gamma * ((x_hat * 0.8 + 0.8) * 0.5) + beta)


def test_batch_noise_of_a_keyword_argument(norm: nn.BatchNorm2d, x: Tensor) -> None:
    norm.eval()
    with stripe.inject_noise(norm, "batch"):
        torch.testing.assert_close(norm(input=x), reference(norm, x, 1.0, 0.0, by_batch=True))
