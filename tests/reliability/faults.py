"""Let the process die, or the disk refuse, at the Nth call that changes or flushes a file.

Usage: python tests/reliability/faults.py WHAT HOW FOLDER. WHAT is "epoch" or "checkpoint", HOW is
"kill" or a number of errno. Every N is tried, from the first call to the last, each in a process of
its own. The last line is the number of points and of failures.
"""

import itertools
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from stripe.errors import StripeError
from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording
from stripe.train.checkpoint import (
    TrainingState,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=8, pooled=False),)
)
#: Events of Python's audit that change the disk.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}


class Fault:
    """Counts the calls, and strikes at one of them."""

    def __init__(self, step: int, strike: Callable[[], None]) -> None:
        self.step, self.strike, self.calls, self.on = step, strike, 0, False
        sys.addaudithook(self.heard)
        self.fsync, os.fsync = os.fsync, self.flushed  # type: ignore[assignment]  # by number

    def heard(self, event: str, args: tuple[object, ...]) -> None:
        """Count an event, if it is one that changes the disk."""
        writes = (
            event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if event in CHANGES or writes:
            self.count()

    def flushed(self, descriptor: int) -> None:
        """Count a flush."""
        self.count()
        self.fsync(descriptor)

    def count(self) -> None:
        """Count a call of the time that is looked at."""
        if self.on:
            self.calls += 1
            if self.calls == self.step:
                self.strike()


def kill() -> None:
    """Die as a machine dies that loses power, but for what is not flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number: int) -> Callable[[], None]:
    """Return what the disk does when it refuses."""

    def strike() -> None:
        raise OSError(number, os.strerror(number))

    return strike


def epoch(folder: Path, fault: Fault) -> None:
    """Write epoch 1 of a recording, after epoch 0, under a fault."""
    with RecordingWriter(folder / "r", HEADER) as writer:
        write(writer, 0)
        fault.on = True
        try:
            write(writer, 1)
        finally:
            fault.on = False


def write(writer: RecordingWriter, epoch: int) -> None:
    """Write an epoch whose values are its number."""
    with writer.epoch(epoch) as part:
        part.write(np.arange(50), {"gate/g": np.full((50, 8), epoch, np.float32)})


def check_epoch(folder: Path) -> None:
    """Check that the recording is whole, and that it can be continued."""
    recording = open_recording(folder / "r")
    found = recording.verify()["epoch"].tolist()
    assert found in ([0], [0, 1]), found
    for number in found:
        assert (recording.values("g", number) == number).all()
    with RecordingWriter(folder / "r", HEADER) as writer:
        assert writer.epochs == found
        write(writer, 7)
    assert open_recording(folder / "r").verify()["epoch"].tolist() == [*found, 7]
    assert not list((folder / "r/staging").iterdir())


class Run:
    """A network of one weight per epoch, and its checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "c"
        self.model = torch.nn.Linear(2, 2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def save(self, epoch: int) -> None:
        """Write a checkpoint whose weights are the epoch."""
        torch.nn.init.constant_(self.model.weight, epoch)
        history = [{"epoch": number + 1} for number in range(epoch)]
        at = TrainingState(epoch=epoch, history=history, optimizer=self.optimizer.state_dict())
        save_checkpoint(self.folder, self.model, at)

    def last(self) -> int:
        """Load the last checkpoint, and return its epoch."""
        path = latest_checkpoint(self.folder)
        assert path is not None
        at = load_checkpoint(path, self.model, self.optimizer, 9)
        assert (self.model.weight == at.epoch).all()
        return at.epoch


def checkpoint(folder: Path, fault: Fault) -> None:
    """Write the second checkpoint of a run under a fault."""
    run = Run(folder)
    run.save(1)
    fault.on = True
    try:
        run.save(2)
    finally:
        fault.on = False


def check_checkpoint(folder: Path) -> None:
    """Check that the last checkpoint is whole, and that another can follow it."""
    run = Run(folder)
    assert run.last() in (1, 2)
    run.save(3)
    assert run.last() == 3
    assert [path.name for path in run.folder.iterdir()] == ["epoch=00003-batch=0000000"]


def in_a_process(work: Callable[[], None]) -> int:
    """Call `work` in a process of its own: 0 if it went well or was refused in one line."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        except StripeError as error:
            code = int("\n" in str(error))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(what: str, how: str, root: Path) -> int:
    """Try every point, and return how many failed."""
    strike = kill if how == "kill" else refuse(int(how))
    act, check = {"epoch": (epoch, check_epoch), "checkpoint": (checkpoint, check_checkpoint)}[what]
    if what == "checkpoint":  # torch imports much with the first optimizer: once, before the forks
        torch.set_num_threads(1)
        Run(root / "first").save(1)
        Run(root / "first").last()
        shutil.rmtree(root / "first")
    failures = 0
    for step in itertools.count(1):
        folder, fired = root / str(step), root / "fired"
        folder.mkdir()

        def struck(fired: Path = fired) -> None:
            os.close(os.open(fired, os.O_CREAT))
            strike()

        def work(folder: Path = folder, step: int = step) -> None:
            act(folder, Fault(step, struck))

        code = in_a_process(work)
        expected = (-signal.SIGKILL,) if how == "kill" and fired.exists() else (0,)
        if code not in expected or in_a_process(lambda folder=folder: check(folder)) != 0:  # type: ignore[misc]
            sys.stdout.write(f"failed at call {step}\n")
            failures += 1
        if not fired.exists():
            break
        fired.unlink()
        shutil.rmtree(folder)
    sys.stdout.write(f"{step - 1} points, {failures} failures\n")
    return failures


if __name__ == "__main__":
    sys.exit(int(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])) > 0))
