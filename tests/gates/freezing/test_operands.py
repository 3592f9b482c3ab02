"""Gates that functions compute in a module that does more."""

import copy
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.fx
from timm.layers.squeeze_excite import SqueezeExcite
from torch import Tensor, nn

import stripe
from stripe import find_gates
from stripe.errors import ModelError
from stripe.gates.freezing.operands import MultipliesByConstants
from stripe.gates.tracing.trace import trace

V = np.linspace(0.1, 0.9, 8)


class Block(nn.Module):
    """A convolution, its gate by functions, stochastic depth, and another convolution."""

    def __init__(self, act: nn.Module | None = None) -> None:
        super().__init__()
        self.expand = nn.Conv2d(3, 8, 3, padding=1)
        self.act = act or nn.ReLU()
        self.reduce = nn.Conv2d(8, 4, 1)
        self.restore = nn.Conv2d(4, 8, 1)
        self.project = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Any:
        y = self.act(self.expand(x))
        if self.training:
            y = y * torch.ones(len(y), 1, 1, 1)  # stochastic depth
        squeezed = self.restore(torch.relu(self.reduce(y.mean((2, 3), keepdim=True))))
        return self.project(y * torch.sigmoid(squeezed)) + x

    def by_hand(self, x: Tensor, v: np.ndarray) -> Any:
        y = self.act(self.expand(x))
        return self.project(y * torch.from_numpy(v).to(x).view(1, -1, 1, 1)) + x


class Two(nn.Module):
    """A gate of a module and two by functions: one in the network, one in a block."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Any:
        y = self.norm(self.block(x))
        return y * y.mean((2, 3), keepdim=True).sigmoid()


def frozen(model: nn.Module, x: Tensor, **options: Any) -> Any:
    means = {g.name: np.linspace(0.1, 0.9, g.channels) for g in find_gates(model, x)}
    return stripe.freeze(model, means, example=x, **options)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("act", [nn.ReLU(), nn.SiLU()])
@pytest.mark.parametrize("fold", [True, False])
def test_a_gate_by_functions_is_frozen_and_folds(act: nn.Module, fold: bool, x: Tensor) -> None:
    block: Any = Block(act).eval()
    constant = frozen(block, x, fold=fold)
    (row,) = constant.report.to_dict("records")
    into = "expand" if isinstance(act, nn.ReLU) else "project"
    assert (row["frozen"], row["folded"], row["into"]) == (True, fold, into if fold else "")
    with torch.no_grad():
        torch.testing.assert_close(constant.model(x), block.by_hand(x, V), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(
            constant.model(-3 * x), block.by_hand(-3 * x, V), rtol=1e-5, atol=1e-6
        )
    assert find_gates(constant.model, x) == []
    assert isinstance(constant.model, Block)
    assert list(block.state_dict()) == [k for k in constant.model.state_dict() if "frozen" not in k]
    assert find_gates(block, x) != []


def test_the_gates_of_a_module_and_of_those_inside_it(x: Tensor) -> None:
    model: Any = Two().eval()
    constant = frozen(model, x)
    assert constant.report["frozen"].all()
    with torch.no_grad():
        y = model.norm(model.block.by_hand(x, V))
        expected = y * torch.linspace(0.1, 0.9, 3).view(1, -1, 1, 1)
        torch.testing.assert_close(constant.model(x), expected, rtol=1e-5, atol=1e-6)
    only = frozen(model, x, gates=[g.name for g in find_gates(model, x) if g.owner == "block"])
    assert len(find_gates(only.model, x)) == 1


def test_it_is_a_normal_module(x: Tensor) -> None:
    block = Block(nn.SiLU()).eval()
    constant = frozen(block, x, fold=False)
    with torch.no_grad():
        expected = constant.model(x)
        buffer = io.BytesIO()
        torch.save(constant.model, buffer)
        buffer.seek(0)
        loaded = torch.load(buffer, weights_only=False)
        for other in (
            copy.deepcopy(constant.model),
            copy.deepcopy(copy.deepcopy(constant.model)),
            loaded,
            torch.export.export(constant.model, (x,)).module(),
        ):
            torch.testing.assert_close(other(x), expected)
        torch.testing.assert_close(constant.model.double()(x.double()).float(), expected)
    state = constant.model.state_dict()
    assert state["frozen_gate_0"].dtype == torch.float64
    constant.model.load_state_dict(state)


@pytest.mark.slow
def test_it_compiles_whole() -> None:
    # In a process of its own, where nothing checks types.
    code = """
import torch
import torch.fx
from timm.layers.squeeze_excite import SqueezeExcite
from tests.gates.freezing.test_operands import Block, frozen
x = torch.randn(2, 3, 8, 8)
constant = frozen(Block().eval(), x, fold=False)
compiled = torch.compile(constant.model, backend="eager", fullgraph=True)
torch.testing.assert_close(compiled(x), constant.model(x))
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_export_drops_the_squeeze(x: Tensor) -> None:
    program = torch.export.export(frozen(Block().eval(), x).model, (x,)).run_decompositions()
    names = [str(node.target) for node in program.graph.nodes]
    assert sum("convolution" in name for name in names) == 2
    assert not any("sigmoid" in name for name in names)


def test_it_can_be_trained(x: Tensor) -> None:
    model = frozen(Block().eval(), x).model.train()
    model(x).sum().backward()  # stochastic depth multiplies before the gate, in training alone
    assert model.expand.weight.grad.abs().sum() > 0


def test_other_code_than_was_frozen_raises(x: Tensor) -> None:
    constant = frozen(Block().eval(), x)
    with pytest.raises(ModelError, match="must multiply by its constants in every pass"):
        torch.fx.symbolic_trace(constant.model)
    constant.model.act = nn.Module()
    constant.model.act.forward = lambda y: y * torch.ones(1, 8, 8, 8)
    with pytest.raises(ModelError, match="in another order than when it was frozen"):
        constant.model(x)


class Odd(nn.Module):
    """A gate that is read in another way than by one product."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        v = y.mean((2, 3), keepdim=True).sigmoid()
        if self.how == "twice":
            return y * v + y.square() * v
        if self.how == "else":
            return y * v + (1 - v)
        return y * v, v


def test_what_else_reads_a_gate(x: Tensor) -> None:
    model: Any = Odd("twice").eval()
    constant = frozen(model, x)
    v = torch.from_numpy(V).float().view(1, -1, 1, 1)
    with torch.no_grad():
        y = model.conv(x)
        torch.testing.assert_close(constant.model(x), y * v + y.square() * v)
    constant = frozen(Odd("else").eval(), x)
    assert constant.report["frozen"].tolist() == [False]
    assert "code other than x * gate reads it" in constant.report["reason"][0]
    constant = frozen(Odd("put out").eval(), x)
    assert constant.report["frozen"].tolist() == [True]


def test_a_module_that_is_called_twice_is_kept(x: Tensor) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Block()

        def forward(self, x: Tensor) -> Any:
            return self.block(self.block(x))

    model = Twice().eval()
    kept = frozen(model, x)
    assert not kept.report["frozen"].any()
    assert "is called 2 times in a pass" in kept.report["reason"][0]
    with torch.no_grad():
        torch.testing.assert_close(kept.model(x), model(x))


def test_no_class_stays_frozen_in_the_model(x: Tensor) -> None:
    model = Two().eval()
    frozen(model, x)
    assert not any(isinstance(module, MultipliesByConstants) for module in model.modules())
    assert trace(model, x).products


class Nested(nn.Module):
    """A gate whose squeeze has a gate of its own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.fc = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Any:
        return x * self.fc(self.inner(x).mean((2, 3), keepdim=True)).sigmoid()


@pytest.mark.parametrize("inner", [Block(), SqueezeExcite(3, rd_channels=2), Nested(nn.SiLU())])
def test_a_gate_inside_the_squeeze_of_another(inner: nn.Module, x: Tensor) -> None:
    net: Any = nn.Sequential(nn.Conv2d(3, 3, 1), Nested(inner), nn.SiLU()).eval()
    assert len(find_gates(net, x)) == 2
    v = torch.linspace(0.1, 0.9, 3).view(1, -1, 1, 1)
    for model in (net, torch.fx.symbolic_trace(net)):
        for fold in (True, False):
            constant = frozen(model, x, fold=fold)
            assert constant.report["frozen"].all()
            with torch.no_grad():
                torch.testing.assert_close(constant.model(x), net[2](net[0](x) * v))


def test_a_graph_in_a_larger_network(x: Tensor) -> None:
    net: Any = nn.Sequential(torch.fx.symbolic_trace(Block().eval()), Block(), nn.SiLU()).eval()
    plain: Any = Block().eval()
    plain.load_state_dict(net[0].state_dict())
    constant = frozen(net, x)
    assert constant.report["folded"].all()
    assert "reduce.weight" not in constant.model[0].state_dict()
    with torch.no_grad():
        expected = net[2](net[1].by_hand(plain.by_hand(x, V), V))
        torch.testing.assert_close(constant.model(x), expected, rtol=1e-4, atol=1e-5)


def test_gates_of_one_module_are_frozen_one_after_the_other(x: Tensor) -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1)

        def forward(self, x: Tensor) -> Any:
            y = self.conv(x).sin()
            y = (y * y.mean((2, 3), keepdim=True).sigmoid()).sin()
            return y * y.amax((2, 3), keepdim=True).sigmoid()

    model = Pair().eval()
    first, second = (gate.name for gate in find_gates(model, x))
    both = stripe.freeze(model, {first: V, second: V}, example=x, fold=False)
    for one, other in ((first, second), (second, first)):
        half: Any = stripe.freeze(model, {one: V}, example=x, fold=False)
        assert [gate.name for gate in find_gates(half.model, x)] == [other]
        whole: Any = stripe.freeze(half.model, {other: V}, example=x, fold=False)
        with torch.no_grad():
            torch.testing.assert_close(whole.model(x), both.model(x))
