"""DIA under everything that a stateful module could fall over."""

import copy
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

import stripe
from stripe.attention.dia import _CARRIED
from stripe.errors import ModelError


@pytest.fixture
def network() -> nn.Module:
    return stripe.build("resnet29", attention="dia", num_classes=5, seed=0).eval()


def test_threads_that_share_a_model_do_not_mix(network: nn.Module) -> None:
    images = [torch.randn(2, 3, 16, 16) for _ in range(4)]
    with torch.no_grad():
        alone = [network(x) for x in images]
    results: list[list[torch.Tensor]] = [[] for _ in images]

    def run(number: int) -> None:
        with torch.no_grad():
            for _ in range(8):
                results[number].append(network(images[number]))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for expected, came in zip(alone, results, strict=True):
        for output in came:
            torch.testing.assert_close(output, expected)


def test_a_forward_pass_that_failed_leaves_no_trace(network: nn.Module) -> None:
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        expected = network(x)
        handle = network.get_submodule("layer1.1").register_forward_hook(_fail)
        with pytest.raises(ZeroDivisionError):
            network(torch.randn(7, 3, 16, 16))
        handle.remove()
        torch.testing.assert_close(network(x), expected)
    assert not _CARRIED.states


def _fail(*args: object) -> None:
    raise ZeroDivisionError


def test_training_and_copies(network: nn.Module) -> None:
    network.train()
    loss = network(torch.randn(4, 3, 16, 16)).sum()
    loss.backward()
    twin = copy.deepcopy(network)
    cell = twin.get_submodule("layer1.0.bn3.gate.cell")
    assert cell is twin.get_submodule("layer1.2.bn3.gate.cell")
    assert cell is not network.get_submodule("layer1.0.bn3.gate.cell")
    assert all(p.grad is not None for p in network.parameters())


COMPILED = """
import torch
import stripe
network = stripe.build("resnet29", attention="dia", num_classes=5, seed=0).eval()
compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
with torch.no_grad():
    for _ in range(2):
        x = torch.randn(2, 3, 16, 16)
        torch.testing.assert_close(compiled(x), network(x))
"""


@pytest.mark.slow
def test_compiled_in_one_graph() -> None:
    """In a process of its own, where no shapes are checked: the checks do not trace."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True)


def test_a_gate_without_its_predecessor_is_an_error(network: nn.Module) -> None:
    block = network.get_submodule("layer1.1")
    with pytest.raises(ModelError, match="must run after the previous one in the same pass"):
        block(torch.randn(2, 64, 8, 8))
