"""A Jupyter kernel that is interrupted in `record`, and records again."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from stripe.recording import open_recording

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning"),
]

#: Seconds that a cell may take on a busy machine.
PATIENCE = 120.0
BATCHES = 8
SETUP = f"""
import time
import numpy as np, torch, stripe
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(stripe.Gated(nn.Conv2d(1, 4, 3), stripe.attention.SE(4))).train()
images = torch.randn({BATCHES * 4}, 1, 6, 6)

def loader(seconds=0.0):
    for number, batch in enumerate(images.split(4)):
        print("batch", number, flush=True)
        time.sleep(seconds)
        yield batch

"""
#: Must hold after an interrupt, and in the end.
UNCHANGED = """
assert all(m.training for m in model.modules())
assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
assert torch.is_grad_enabled()
"""
VALUES = """
with torch.no_grad():
    y = model.eval()[0].host(images)
    expected = model[0].gate(y).flatten(1).numpy()
model.train()
opened = stripe.open_recording("r")
opened.verify()
assert np.allclose(opened.values(opened.gates["name"][0], epoch=opened.epochs[-1]), expected)
"""


class Kernel:
    """A Jupyter kernel and its client."""

    def __init__(self, folder: Path) -> None:
        self.manager: Any = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.client: Any = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def started(self, code: str, printed: str) -> str:
        """Start a cell, and return its number once it has printed a text."""
        message: str = self.client.execute(code)
        text = ""
        while printed not in text:
            came = self.client.get_iopub_msg(timeout=PATIENCE)
            if came["parent_header"].get("msg_id") == message:
                assert came["msg_type"] != "error", came["content"]
                text += came["content"].get("text", "")
        return message

    def ended(self, message: str) -> str:
        """Wait until a cell has ended; return the name of its exception, "" if there is none."""
        while True:
            reply = self.client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == message:
                name: str = reply["content"].get("ename", "")
                return name

    def run(self, code: str) -> str:
        """Run a cell; return the name of its exception, "" if there is none."""
        return self.ended(self.client.execute(code))

    def interrupted(self, code: str, batch: int, seconds: float) -> str:
        """Interrupt a cell some time after it has asked for a batch, and return its exception."""
        message = self.started(code, f"batch {batch}\n")
        time.sleep(seconds)
        self.manager.interrupt_kernel()
        return self.ended(message)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    started = Kernel(tmp_path)
    assert started.run(SETUP) == ""
    yield started
    started.client.stop_channels()
    started.manager.shutdown_kernel(now=True)


def test_record_is_interrupted_and_called_again(
    kernel: Kernel, tmp_path: Path, times: Callable[[int, int], int], seed: int
) -> None:
    """The kernel keeps the exception and its frames, and nothing in them holds the folder."""
    rng = random.Random(seed)
    for _ in range(times(5, 100)):
        code = "recording = stripe.record(model, loader(0.1), 'r', progress=False)"
        name = kernel.interrupted(code, rng.randrange(BATCHES - 1), rng.random() / 10)
        assert name == "KeyboardInterrupt"
        assert kernel.run(UNCHANGED) == ""
        assert not (tmp_path / "r").exists()
    assert kernel.run("recording = stripe.record(model, loader(), 'r')" + VALUES) == ""
    assert kernel.run(UNCHANGED) == ""
    assert len(open_recording(tmp_path / "r").verify()) == 1


def test_an_open_recorder_is_interrupted_and_goes_on(
    kernel: Kernel, tmp_path: Path, times: Callable[[int, int], int], seed: int
) -> None:
    rng = random.Random(seed)
    assert kernel.run("recorder = stripe.Recorder(model, 'r', images[:2])") == ""
    for epoch in range(times(4, 50)):
        code = f"recorder.record(loader(0.1), {epoch}, progress=False)"
        name = kernel.interrupted(code, rng.randrange(BATCHES - 1), rng.random() / 10)
        assert name == "KeyboardInterrupt"
        assert kernel.run(UNCHANGED) == ""
        assert kernel.run(f"recorder.record(loader(), {epoch}, progress=False)" + VALUES) == ""
        assert open_recording(tmp_path / "r").epochs == list(range(epoch + 1))
    assert kernel.run("recorder.close()") == ""
    assert not list((tmp_path / "r" / "staging").iterdir())
