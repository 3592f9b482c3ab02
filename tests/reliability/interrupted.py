"""Send SIGINT at random points of what sets something up and cleans it up, and look what is left.

Usage: python tests/reliability/interrupted.py TASK COUNT FOLDER [SEED [WAY]]. WAY is "moments", of
the time that a call takes; "lines", of those of the package that it runs; or "modes", of the lines
by which torch enters and leaves `no_grad` and the like. The last line is the number of interrupts
and of failures; a hang ends the process with the stacks of all threads.
"""

import faulthandler
import itertools
import os
import random
import shutil
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType

import torch
from strike import strike
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import stripe
from stripe import Recorder, open_recording
from stripe.asr import Gated
from stripe.attention import SE, SRM
from stripe.robustness import attack

HANG = 60.0  # seconds; ten times that for a first call, which imports libraries
PACKAGE = str(Path(stripe.__file__).parent)
MODES = torch.autograd.grad_mode.__file__
IMAGES = torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class Functional(nn.Module):
    """A gate that no module puts out, for which the operands of its product are watched."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply features by the sigmoid of their average."""
        y: torch.Tensor = self.conv(x)
        return y * y.mean((2, 3), keepdim=True).sigmoid()


class Block(nn.Module):
    """A residual block, for the bound."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, bias=False), Gated(nn.BatchNorm2d(8), SE(8, reduction=2))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the branch."""
        return torch.relu(x + self.branch(x))


def network() -> nn.Sequential:
    """Return a network of several gates; some modules are in training and some are not."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        Gated(nn.BatchNorm2d(8), SRM(8)),
        Block(),
        Functional(),
        Block(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    ).train()
    model[2].eval()
    return model


def state(model: nn.Module) -> dict[str, object]:
    """Return all that must be after an interrupt as it was before."""
    modules = list(model.modules())
    tables = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = [hook for m in modules for table in tables for hook in getattr(m, table)]
    gradients = [p.grad is None for p in model.parameters()]
    return {
        "threads": len([t for t in threading.enumerate() if t.name.startswith("stripe")]),
        "hooks": hooks,
        "modes": [module.training for module in modules],
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), gradients),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "stance": torch._dynamo.eval_frame._stance.stance,
        "generator": torch.get_rng_state().sum().item(),
        "handlers": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
    }


def recorder(model: nn.Module, folder: Path, values: bool = True) -> Iterator[Callable[[], object]]:
    """Yield calls that each record an epoch, in one recording that stays open."""
    data = TensorDataset(IMAGES, torch.arange(64) % 3)
    generator = torch.Generator().manual_seed(1)
    loader = DataLoader(data, batch_size=8, shuffle=True, generator=generator)
    shutil.rmtree(folder / "r", ignore_errors=True)
    recording = Recorder(model, folder / "r", IMAGES[:2], values=values)
    with recording:
        for _ in itertools.count():
            epoch = max([-1, *recording.epochs]) + 1
            yield partial(recording.record, loader, epoch=epoch)
            opened = open_recording(folder / "r")
            opened.verify()
            if epoch in opened.epochs and values:
                assert len(opened.images) == 64, "a partial epoch"
            assert not list((folder / "r" / "staging").iterdir()), "a staged epoch is left"


def moments(model: nn.Module, folder: Path) -> Iterator[Callable[[], object]]:
    """Yield the same for moments."""
    return recorder(model, folder, values=False)


def record(model: nn.Module, folder: Path) -> Iterator[Callable[[], object]]:
    """Yield calls of `stripe.record`, each into a new recording."""
    loader = DataLoader(TensorDataset(IMAGES, torch.arange(64) % 3), batch_size=16)
    path = folder / "s"
    for _ in itertools.count():
        shutil.rmtree(path, ignore_errors=True)
        yield lambda: stripe.record(model, loader, path)
        if (path / "recording.json").exists():
            open_recording(path).verify()
            Recorder(model, path, IMAGES[:2], resume=True).close()  # nobody holds the lock


def others(model: nn.Module, folder: Path) -> Iterator[Callable[[], object]]:
    """Yield calls of everything else that looks into a model."""
    labels = torch.arange(64) % 3
    batches = [(IMAGES[:16], labels[:16]), (IMAGES[16:32], labels[16:32])]

    def noise() -> None:
        # The body is the user's, and an interrupt in it reaches __exit__ as any exception does.
        with stripe.inject_noise(model, "random:0.3,0.3"):
            model(IMAGES[:16])

    means = {gate.name: [0.5] * gate.channels for gate in stripe.find_gates(model, IMAGES[:2])}
    calls: list[Callable[[], object]] = [
        lambda: stripe.mean_cam(model, batches, "2", progress=False),
        lambda: stripe.mean_cam(model, batches, "2", method="EigenCAM", progress=False),
        lambda: stripe.find_gates(model, IMAGES[:2]),
        lambda: stripe.noise_bound(model, IMAGES[:4], repeats=1, iterations=2),
        lambda: stripe.freeze(model, means, example=IMAGES[:2]),
        lambda: attack(model, batches, ["random:0.3,0.3"], progress=False),
        lambda: stripe.build("resnet20", asr="se", seed=0),
        noise,
    ]
    for call in itertools.cycle(calls):
        model.train()
        model.get_submodule("2").eval()
        yield call


def interrupted(call: Callable[[], object], longest: float) -> BaseException | None:
    """Run a call, and send a SIGINT at a random moment of it, or soon after."""
    sent = threading.Event()

    def send() -> None:
        time.sleep(random.random() * longest)
        os.kill(os.getpid(), signal.SIGINT)
        sent.set()

    try:
        threading.Thread(target=send, daemon=True).start()
        call()
        while not sent.is_set():
            time.sleep(0.001)
        time.sleep(0.001)
    except KeyboardInterrupt as error:
        return error  # kept, as a notebook keeps the last traceback: what it holds is not collected
    return None


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Lines:
    """Counts the lines of some files that this thread runs, and sends SIGINT at one of them.

    If no signal can come at this line, it is sent at the next one.
    """

    def __init__(self, files: str, at: int = 0) -> None:
        self.files, self.at, self.count = files, at, 0

    def __call__(self, frame: FrameType, event: str, _: object) -> "Lines | None":
        """Hear of an event of `sys.settrace`."""
        if not frame.f_code.co_filename.startswith(self.files):
            return None
        self.count += event == "line"
        if event == "line" and self.count == self.at and not strike(frame):
            self.at += 1
        return self

    def traced(self, call: Callable[[], object]) -> None:
        """Run a call."""
        sys.settrace(self)
        try:
            call()
        finally:
            sys.settrace(None)


def lines(call: Callable[[], object], *, of: str) -> float:
    """Return the number of lines of some files that a call runs."""
    counted = Lines(of)
    counted.traced(call)
    return counted.count


def at_a_line(call: Callable[[], object], most: float, *, of: str) -> BaseException | None:
    """Run a call, and send a SIGINT at a random line of it, or not at all."""
    try:
        Lines(of, 1 + int(random.random() * most)).traced(call)
    except KeyboardInterrupt as error:
        return error
    return None


Call = Callable[[], object]
#: How to learn the length of a call, and how to interrupt it within that length.
WAYS: dict[str, tuple[Callable[[Call], float], Callable[[Call, float], BaseException | None]]] = {
    "moments": (seconds, interrupted),
    "lines": (partial(lines, of=PACKAGE), partial(at_a_line, of=PACKAGE)),
    "modes": (partial(lines, of=MODES), partial(at_a_line, of=MODES)),
}


def main(task: str, count: int, folder: Path, seed: int, way: str = "moments") -> int:
    """Interrupt a task `count` times and report."""
    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model = network()
    calls = globals()[task](model, folder)
    length_of, interrupt = WAYS[way]
    lengths: dict[object, float] = {}
    failures: Counter[str] = Counter()
    kept: list[BaseException | None] = []
    number = 0
    while number < count:
        faulthandler.dump_traceback_later(HANG, exit=True)
        call = next(calls)
        kind = getattr(call, "__code__", task)
        if kind not in lengths:
            faulthandler.dump_traceback_later(10 * HANG, exit=True)
        before = state(model)
        if kind not in lengths:  # the first time, to learn how long it takes
            call()
            call = next(calls) if task != "others" else call
            lengths[kind] = length_of(call)
            continue
        kept = [interrupt(call, 1.1 * lengths[kind])]
        number += 1
        after = state(model)
        left = [what for what in before if before[what] != after[what]]
        place = getattr(call, "__code__", None)
        where = f" after line {place.co_firstlineno}" if place else ""
        failures.update(f"{what}{where}" for what in left)
        if left:
            model = network()
            torch.set_grad_enabled(True)
            torch.compiler.set_stance("default")
            kept.clear()
            calls = globals()[task](model, folder)
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(f"{dict(failures)}\n{count} interrupts, {sum(failures.values())} failures\n")
    return 1 if failures else 0


if __name__ == "__main__":
    task, count, folder, seed, *way = [*sys.argv[1:], *["0"][len(sys.argv) - 4 :]]
    sys.exit(main(task, int(count), Path(folder), int(seed), *way))
