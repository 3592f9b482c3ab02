"""Folded networks equal the networks with ASR."""

import copy
import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import stripe
from stripe.asr import Gated, largest_difference


@pytest.fixture
def model() -> nn.Module:
    return stripe.build("resnet20", asr="srm", num_classes=10, in_channels=1, seed=0).eval()


def test_gives_back_torchvisions_own_resnet50() -> None:
    model = stripe.insert(torchvision.models.resnet50(num_classes=10), asr="eca", psi=0.1).eval()
    plain = stripe.reparameterize(model, example=torch.zeros(1, 3, 64, 64))
    assert largest_difference(model, plain, torch.zeros(1, 3, 64, 64)) < 1e-5
    theirs = torchvision.models.resnet50(num_classes=10).eval()
    theirs.load_state_dict(plain.state_dict(), strict=True)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(theirs(x), model(x), rtol=1e-4, atol=1e-5)


def test_nothing_is_left_over(model: nn.Module) -> None:
    bare = stripe.build("resnet20", num_classes=10, in_channels=1).eval()
    plain = stripe.reparameterize(model)
    assert list(plain.state_dict()) == list(bare.state_dict())
    x = torch.zeros(1, 1, 28, 28)
    flops = []
    for network in (plain, bare):
        with FlopCounterMode(display=False) as counter:
            network(x)
        flops.append(counter.get_total_flops())
    assert flops[0] == flops[1]


def test_copies_unless_asked(model: nn.Module) -> None:
    before = copy.deepcopy(model.state_dict())
    plain = stripe.reparameterize(model)
    assert plain is not model
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    x = torch.randn(2, 1, 28, 28)
    expected = model(x)
    assert stripe.reparameterize(model, inplace=True) is model
    assert not any(isinstance(module, Gated) for module in model.modules())
    torch.testing.assert_close(model(x), expected)


def test_a_second_fold_warns_and_changes_nothing(model: nn.Module) -> None:
    once = stripe.reparameterize(model)
    with pytest.warns(UserWarning, match=r"no ASR to fold; stripe\.freeze"):
        twice = stripe.reparameterize(once)
    assert largest_difference(once, twice) == 0
    for name, tensor in once.state_dict().items():
        assert torch.equal(tensor, twice.state_dict()[name])


def test_attention_that_looks_at_its_input_stays() -> None:
    model = stripe.build("resnet20", attention="se", asr="se", num_classes=10, seed=0).eval()
    plain = stripe.reparameterize(model)
    expected = stripe.build("resnet20", attention="se", num_classes=10)
    assert list(plain.state_dict()) == list(expected.state_dict())
    assert largest_difference(model, plain) < 1e-5


def test_after_training_in_bf16(model: nn.Module) -> None:
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(torch.randn(8, 1, 28, 28)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert largest_difference(model, stripe.reparameterize(model)) < 1e-5


def test_a_training_network_is_folded_as_it_evaluates(model: nn.Module) -> None:
    expected = stripe.reparameterize(model)
    model.train()
    model.get_submodule("layer1").eval()  # as one that is fine-tuned
    modes = {name: module.training for name, module in model.named_modules()}
    plain = stripe.reparameterize(model)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(module.training == modes[name] for name, module in plain.named_modules() if name)
    assert list(plain.state_dict()) == list(expected.state_dict())
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name])


def test_a_gated_layer_by_itself() -> None:
    host = nn.BatchNorm2d(4)
    model = nn.Sequential(host)
    model = stripe.insert(model, asr="se", sites=["0"]).eval()
    with pytest.warns(UserWarning, match="no input was found to measure the error with"):
        assert type(stripe.reparameterize(model[0])) is nn.BatchNorm2d


def test_the_result_can_be_exported(model: nn.Module) -> None:
    plain = stripe.reparameterize(model)
    x = torch.randn(2, 1, 28, 28)
    program = torch.export.export(plain, (x,))
    torch.testing.assert_close(program.module()(x), plain(x))


def test_onnxruntime_computes_the_same(model: nn.Module) -> None:
    import onnxruntime

    x = torch.randn(2, 1, 28, 28)
    plain = stripe.reparameterize(model)
    file: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(plain, (x,), file, input_names=["x"], dynamo=False)
    session = onnxruntime.InferenceSession(file.getvalue())
    (output,) = session.run(None, {"x": x.numpy()})
    np.testing.assert_allclose(output, model(x).detach().numpy(), rtol=1e-3, atol=1e-4)
