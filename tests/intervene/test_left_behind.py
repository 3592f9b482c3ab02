"""What an intervention leaves behind in a model, its copies and its compiled form: nothing."""

import copy
import os
import subprocess
import sys
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from patched import kept_in, network, of_functions, same
from torch import Tensor
from torch._dynamo import eval_frame

import stripe
from stripe.gates import find_gates


@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
def test_no_trace_is_left_after_success_and_after_an_error(make: Any, batch: Tensor) -> None:
    model = make()
    expected, keys = model(batch), {n: set(vars(m)) for n, m in model.named_modules()}
    with stripe.intervene(model, "zero"):
        model(batch)
    with pytest.raises(RuntimeError), stripe.intervene(model, "zero"):
        model(batch[..., :0])
    with (
        pytest.raises(ZeroDivisionError),
        stripe.intervene(model, lambda values: values / (1 // 0)),
    ):
        model(batch)
    assert {n: set(vars(m)) for n, m in model.named_modules()} == keys
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert same(model(batch), expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:no gate was replaced")
@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_interventions_end_in_any_order(make: Any, order: tuple[int, ...], batch: Tensor) -> None:
    model = make()
    expected, keys = model(batch), {n: set(vars(m)) for n, m in model.named_modules()}
    hows: list[Any] = ["zero", lambda values: values + 1, lambda values: values * 2]
    contexts = dict(enumerate([stripe.intervene(model, how, example=batch) for how in hows]))
    for context in contexts.values():
        context.__enter__()
    for number in order:
        contexts.pop(number).__exit__(None, None, None)
        other = make()
        with ExitStack() as stack:
            for left in contexts:
                stack.enter_context(stripe.intervene(other, hows[left], example=batch))
            assert same(model(batch), other(batch))
    assert same(model(batch), expected)
    assert {n: set(vars(m)) for n, m in model.named_modules()} == keys
    assert eval_frame._stance.stance == "default"  # of torch.compile


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:no gate was replaced")
def test_threads_do_not_disturb_each_other(batch: Tensor) -> None:
    wrong: list[str] = []

    def work(attention: str, how: str) -> None:
        model = network(attention)
        expected = model(batch)
        with stripe.intervene(model, how):
            replaced = model(batch)
        for _ in range(10):
            with stripe.intervene(model, how):
                wrong.extend("inside" for _ in "x" if not same(model(batch), replaced))
            wrong.extend("outside" for _ in "x" if not same(model(batch), expected))

    threads = [Thread(target=work, args=of) for of in (("se", "zero"), ("eca", "one"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert eval_frame._stance.stance == "default"


def test_a_pass_keeps_its_draw_while_another_thread_begins_one(batch: Tensor) -> None:
    model, seen = network("se"), []
    first, *_, last = [gate.name for gate in find_gates(model, batch)]

    def keep(values: Tensor) -> Tensor:
        seen.append(values)
        return values

    def interrupt(module: Any, args: Any, output: Any) -> None:
        handle.remove()  # of the first pass alone
        other = Thread(target=lambda: model(batch))
        other.start()
        other.join()

    with stripe.intervene(model, "shuffle", seed=3), stripe.intervene(model, keep, gates=last):
        model(batch)
    with stripe.intervene(model, "shuffle", seed=3), stripe.intervene(model, keep, gates=last):
        handle = model.get_submodule(first).register_forward_hook(interrupt)
        model(batch)
    alone, of_thread, interrupted = seen
    assert same(alone, interrupted)
    assert not same(alone, of_thread)


@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
def test_a_copy_made_meanwhile_is_itself_again_afterwards(make: Any, batch: Tensor) -> None:
    model = make()
    with stripe.intervene(model, "zero"):
        other, inside = copy.deepcopy(model), model(batch)
        assert same(other(batch), inside)
        for parameter in other.parameters():
            parameter.data.mul_(2)
        assert not same(other(batch), inside)
    assert not same(other(batch), inside)
    for parameter in other.parameters():
        parameter.data.div_(2)
    torch.testing.assert_close(other(batch), model(batch))


@pytest.mark.slow
def test_under_autocast_the_replacement_has_the_gates_format(batch: Tensor) -> None:
    model = network("se").float()
    seen: list[Tensor] = []
    gate = find_gates(model, batch.float())[0].name
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        stripe.intervene(model, np.full(16, 0.3), gates=gate),
        stripe.intervene(model, kept_in(seen), gates=gate),
    ):
        model(batch.float())
    assert seen[0].dtype == torch.bfloat16
    assert float(seen[0].max()) == pytest.approx(0.3, abs=2e-3)


@pytest.mark.slow
@torch.no_grad()
def test_a_compiled_model_runs_with_its_gates_replaced(batch: Tensor) -> None:
    model = network("se")
    with stripe.intervene(model, "zero"):
        expected = model(batch)
    compiled: Any = torch.compile(model, backend="eager")
    compiled(batch)
    with stripe.intervene(compiled, "zero"):
        assert same(compiled(batch), expected)
    assert same(compiled(batch), model(batch))


RANK = """
import sys, torch
from torch import distributed
import stripe
from patched import network

distributed.init_process_group("gloo")
rank, model = distributed.get_rank(), network("se")
parallel = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
batch = torch.load(sys.argv[1])
constant = torch.full((16,), 0.3, dtype=torch.float64)
gate = stripe.find_gates(model, batch)[0].name
with stripe.intervene(parallel, constant, gates=gate):
    parallel(batch[rank::2]).square().mean().backward()
inside = [p.grad.clone() for p in model.parameters() if p.grad is not None]
parallel.zero_grad()
parallel(batch[rank::2]).square().mean().backward()
after = [p.grad for p in model.parameters()]
if rank == 0:
    torch.save([inside, after], sys.argv[2])
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_train_with_a_gate_replaced(batch: Tensor, tmp_path: Path) -> None:
    """The gradients that DistributedDataParallel averages are those of the whole batch."""
    script, given, found = (tmp_path / name for name in ("rank.py", "batch.pt", "found.pt"))
    script.write_text(RANK)
    torch.save(batch, given)
    run = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", script, given, found]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", *map(str, run)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    inside, after = torch.load(found)
    model = network("se")
    constant = torch.full((16,), 0.3, dtype=torch.float64)
    with stripe.intervene(model, constant, gates=find_gates(model, batch)[0].name):
        model(batch).square().mean().backward()
    alone = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    model(batch).square().mean().backward()
    for ours, expected in ((inside, alone), (after, [p.grad for p in model.parameters()])):
        torch.testing.assert_close(ours, expected)
