"""Strike at the Nth of each system call that changes or flushes a file, with strace.

Usage: python tests/reliability/system_calls.py WHAT HOW FOLDER [STRIDE]. WHAT is "epoch" or
"checkpoint", HOW is what strace injects: "signal=KILL" or "error=ENOSPC". With a stride of 3 every
third point is tried. strace attaches to a process of its own for each point. The last line is the
number of points and of failures.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from faults import HEADER, Run, check_checkpoint, check_epoch, in_a_process, write

from stripe.errors import StripeError
from stripe.recording import RecordingWriter

#: What changes the disk; a question mark stands before those that not every machine has.
CALLS = (
    *("openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "?rename", "?renameat"),
    *("?renameat2", "?mkdir", "?mkdirat", "?rmdir", "?unlink", "?unlinkat", "?link", "?linkat"),
)


def struck(work: Callable[[], None], how: str, call: str, number: int, log: Path) -> int:
    """Do work in a process that is struck at the Nth call of one kind; return its exit code."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.read(reading, 1)
        os._exit(in_place(work))
    rule = f"inject={call}:{how}:when={number}"
    command = ["strace", "-f", "-qq", "-o", str(log), "-p", str(child), "-e", rule]
    tracer = subprocess.Popen([*command, "-e", f"trace={call}"], stderr=subprocess.PIPE)
    while "TracerPid:\t0\n" in Path(f"/proc/{child}/status").read_text():
        if tracer.poll() is not None:
            os.kill(child, signal.SIGKILL)
            raise SystemExit(f"strace cannot attach: {tracer.communicate()[1].decode()}")
        time.sleep(0.001)
    os.write(writing, b"x")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tracer.communicate()
    os.close(reading)
    os.close(writing)
    return code


def in_place(work: Callable[[], None]) -> int:
    """Do work, and return 0 if it went well or was refused in one line."""
    try:
        work()
    except StripeError as error:
        return int("\n" in str(error))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def epoch(folder: Path) -> None:
    """Write another epoch into a recording that has one."""
    with RecordingWriter(folder / "r", HEADER) as writer:
        write(writer, 1)


def prepare(what: str, folder: Path) -> None:
    """Write what is there before the process that dies."""
    if what == "checkpoint":
        Run(folder).save(1)
    else:
        with RecordingWriter(folder / "r", HEADER) as writer:
            write(writer, 0)


def main(what: str, how: str, root: Path, stride: int) -> int:
    """Try every point, and return how many failed."""
    torch.set_num_threads(1)
    check = {"epoch": check_epoch, "checkpoint": check_checkpoint}[what]
    prepare(what, root / "before")
    points = failures = 0
    for call in CALLS:
        for number in itertools.count(1, stride):
            folder = root / f"{call.strip('?')}-{number}"
            shutil.copytree(root / "before", folder)

            def work(folder: Path = folder) -> None:
                epoch(folder) if what == "epoch" else Run(folder).save(2)

            log = root / "strace.txt"
            code = struck(work, how, call, number, log)
            hit = code == -signal.SIGKILL or "INJECTED" in log.read_text(errors="replace")
            held = in_a_process(lambda folder=folder: check(folder)) == 0  # type: ignore[misc]
            if code != (-signal.SIGKILL if hit and "KILL" in how else 0) or not held:
                sys.stdout.write(f"failed at call {number} of {call}\n")
                failures += 1
            shutil.rmtree(folder)
            if not hit:
                break
            points += 1
    sys.stdout.write(f"{points} points, {failures} failures\n")
    return failures


if __name__ == "__main__":
    what, how, folder, stride = [*sys.argv[1:], "1"][:4]
    sys.exit(int(main(what, how, Path(folder), int(stride)) > 0))
