"""Models, data and recordings that many tests share."""

import os
import random
import shutil
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jaxtyping
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import patched
import pytest
import short_run
import torch
from own_network import subject as subject
from smallest_scale import every_exhibit as every_exhibit
from torch import nn

import stripe
from stripe.asr import Gated
from stripe.attention import SE
from stripe.cli import main
from stripe.recording import Header, RecordedGate, RecordingWriter
from stripe.recording.schema import gate_column, input_column
from stripe.train import TrainConfig, train

mpl.use("Agg")
# `make test` asks for one thread, since it runs one process of tests per core.
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))

# A shell starts background jobs so that they and their children ignore SIGINT, which tests send.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: The browser of tests; None where it is not installed.
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

#: Gates by epoch and name, shape (images, channels).
Values = dict[int, dict[str, np.ndarray]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `make reliability` and of the rehearsal of `make gpu`."""
    parser.addoption("--full", action="store_true", help="full counts, which take about an hour")
    parser.addoption("--rehearse", action="store_true", help="run tests marked gpu on the CPU")
    parser.addoption("--seed", type=int, help="seed of a run that failed; by default a new one")


@pytest.fixture
def small_model() -> nn.Sequential:
    """Return two gated convolutions with norms, on grey images."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        Gated(nn.BatchNorm2d(8), SE(8, reduction=2)),
        nn.ReLU(),
        nn.Conv2d(8, 4, 3, padding=1, stride=2),
        Gated(nn.BatchNorm2d(4), SE(4, reduction=2)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs a command and gives its exit code and what it said."""

    def run(*arguments: object) -> tuple[int, str]:
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        else:
            code = 0
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture(autouse=True)
def no_figure_left() -> Iterator[None]:
    """Close every figure that a test drew, so that another can tell what a command leaves open."""
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def no_module_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules that a test wrote and imported, so that another can write its own."""
    before, written = set(sys.modules), str(tmp_path_factory.getbasetemp())
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(written):
            del sys.modules[name]


@pytest.fixture
def as_a_user() -> Iterator[None]:
    """Leave types unchecked, as they are outside of tests, to see what our own checks say."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def images() -> torch.Tensor:
    """Return ten grey images of 12 x 12."""
    return torch.randn(10, 1, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def write_recording(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes gates, given by epoch and name, as a recording."""

    def write(
        values: Values, *, path: Path | None = None, images: object = None, dataset: str = "x/test"
    ) -> Path:
        target = path or tmp_path / "recording"
        first = next(iter(values.values()))
        gates = tuple(
            RecordedGate(name=name, owner=name, owner_class="Gated", channels=array.shape[1])
            for name, array in first.items()
        )
        with RecordingWriter(target, Header(gates=gates, dataset=dataset)) as writer:
            for epoch, by_gate in values.items():
                count = len(next(iter(by_gate.values())))
                index = np.arange(count) if images is None else np.asarray(images)
                vectors = {}
                for name, array in by_gate.items():
                    vectors[gate_column(name)] = array.astype(np.float32)
                    vectors[input_column(name)] = -array.astype(np.float32)
                with writer.epoch(epoch) as part:
                    part.write(index, vectors, label=index % 3, prediction=index % 2)
        return target

    return write


_FASHION = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def write_fashion(root: Path, train: int = 160, test: int = 40) -> Path:
    """Write images whose class is in their brightness, as the idx files that torchvision reads."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        labels = np.arange(count) % 10
        noise = rng.integers(0, 20, (count, 28, 28))
        pixels = (labels[:, None, None] * 23 + noise).astype(np.uint8)
        images, names = _FASHION[split]
        (raw / images).write_bytes(struct.pack(">4i", 2051, count, 28, 28) + pixels.tobytes())
        (raw / names).write_bytes(
            struct.pack(">2i", 2049, count) + labels.astype(np.uint8).tobytes()
        )
    return root


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    """Return a folder of data sets that holds the small one."""
    return write_fashion(tmp_path / "sets")


@pytest.fixture
def times(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Return a function that chooses between a quick and a full count."""
    full = request.config.getoption("--full", default=False)

    def choose(quick: int, whole: int) -> int:
        return whole if full else quick

    return choose


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of a test, which is printed with its failure."""
    given = request.config.getoption("--seed", default=None)
    chosen = random.SystemRandom().randrange(2**31) if given is None else int(given)
    print(f"seed {chosen}: --seed {chosen} repeats it")  # noqa: T201
    return chosen


@pytest.fixture
def batch() -> torch.Tensor:
    """Return six grey images of 28 x 28, in float64."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 1, 28, 28, generator=generator, dtype=torch.float64)


@pytest.fixture
def recorded(tmp_path: Path, batch: torch.Tensor) -> Any:
    """Return a network and its recording of the batch, with labels."""
    model = patched.network("se")
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    return model, stripe.record(model, [(batch, labels)], tmp_path / "r", progress=False)


@pytest.fixture
def finished(tmp_path: Path, fashion: Path) -> TrainConfig:
    """Return the settings of a short training that is finished."""
    config = replace(short_run.settings(tmp_path / "run", fashion), epochs=1)
    train(config, progress=False)
    return config


@pytest.fixture
def gpu(request: pytest.FixtureRequest) -> torch.device:
    """Return the GPU, or with `--rehearse` the CPU in its place; skip where there is neither."""
    if request.config.getoption("--rehearse", default=False):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device; --rehearse runs it on the CPU")
    return torch.device("cuda")


@pytest.fixture
def cuda() -> torch.device:
    """Return the GPU; skip where there is none, since a CPU has nothing of the kind."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, and nothing on a CPU stands in for it")
    return torch.device("cuda")


@pytest.fixture
def explored(write_recording: Callable[..., Path]) -> Path:
    """Return a recording of three epochs of gates of 12 and 70 channels of 30 images."""
    rng = np.random.default_rng(0)
    return write_recording({
        epoch: {"a": rng.random((30, 12)), "b": rng.random((30, 70))} for epoch in (0, 1, 2)
    })  # fmt: skip


@pytest.fixture
def pixels() -> np.ndarray:
    """Return thirty grey images whose brightness is their index."""
    return np.repeat(np.arange(30, dtype=np.uint8), 64).reshape(30, 8, 8)


@pytest.fixture
def browser() -> Iterator[Any]:
    """Return the machine's own Chromium."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def keep_picture() -> Callable[[Any, str], None]:
    """Return what keeps what the browser shows, where somebody wants to look at it."""

    def keep(page: Any, name: str) -> None:
        if folder := os.environ.get("STRIPE_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{name}.png")

    return keep
