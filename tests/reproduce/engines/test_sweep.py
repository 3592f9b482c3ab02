"""A sweep whose workers are killed, that is stopped, or that is not alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from stripe.modules.cores import usable_cores
from stripe.reproduce.engines import Local
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.reproduction import Reproduction, reproduction
from stripe.reproduce.store.measurement import Measurement
from stripe.reproduce.store.runs import StoredRun
from stripe.train import TrainConfig

FASHION = {"cifar100": "fashion_mnist"}


@dataclass(frozen=True, kw_only=True)
class Deadly(Measurement):
    """Takes its process down, as what needs too much memory does."""

    def measure(self) -> dict[str, float]:
        """End the process."""
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


@dataclass(frozen=True, kw_only=True)
class Slow(Measurement):
    """Writes down its process, and takes its time."""

    def measure(self) -> dict[str, float]:
        """Wait."""
        (self.out.parent / f"{os.getpid()}.pid").touch()
        time.sleep(3)
        return {"x": 1.0}


@dataclass(frozen=True, kw_only=True)
class Counted(Measurement):
    """Writes a line each time it is executed."""

    def measure(self) -> dict[str, float]:
        """Add the line."""
        with (self.out.parent / "executed.txt").open("a") as file:
            file.write(f"{self.out.name.split('-')[0]}\n")
        time.sleep(0.2)
        return {"x": 1.0}


@dataclass(frozen=True, kw_only=True)
class Threads(Measurement):
    """Counts the threads of its process."""

    def measure(self) -> dict[str, float]:
        """Ask torch."""
        return {"threads": float(torch.get_num_threads())}


@pytest.fixture
def small(tmp_path: Path, fashion: Path) -> Reproduction:
    fields = {**(SCALES["test"].fields or {}), "limit": 32, "batch_size": 16}
    tiny = replace(SCALES["test"], data=FASHION, fields=fields)
    return reproduction(exhibit("figure11"), tiny, store=tmp_path / "store", data_root=fashion)


@pytest.mark.slow
def test_a_run_that_takes_its_process_down_does_not_stop_the_rest(tmp_path: Path) -> None:
    runs = [StoredRun(Deadly(out=tmp_path / f"deadly{i}")) for i in range(2)]
    runs += [StoredRun(Slow(out=tmp_path / f"slow{i}")) for i in range(2)]
    Local(workers=1).run(runs, progress=False)
    assert [run.state for run in runs] == ["failed", "failed", "finished", "finished"]
    assert "its process ended before it did: killed, or out of memory?" in runs[0].error


@pytest.mark.slow
def test_what_looks_at_a_failed_run_stays_missing(small: Reproduction) -> None:
    trainings = [run for run in small.needed if isinstance(run.config, TrainConfig)]
    looks = [run for run in small.needed if isinstance(run.config, Measurement)]
    broken = trainings[0].config
    assert isinstance(broken, TrainConfig)
    wrong = StoredRun(replace(broken, psi="oops"))
    Local(workers=2).run([wrong, trainings[1], *looks], progress=False)
    assert [run.state for run in looks] == ["missing", "finished"]
    assert len(small.first_finished()) == 1
    assert small.exhibit.kind.draw(small) is not None  # of the seed that is there


@pytest.mark.slow
def test_two_sweeps_at_once_execute_every_run_once(tmp_path: Path) -> None:
    runs = [StoredRun(Counted(out=tmp_path / "store" / str(i))) for i in range(6)]
    both = [
        threading.Thread(target=Local(workers=1).run, args=(runs,), kwargs={"progress": False})
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join(240)
    assert {run.state for run in runs} == {"finished"}
    executed = (tmp_path / "store" / "executed.txt").read_text().split()
    assert sorted(executed) == [str(i) for i in range(6)]


@pytest.mark.slow
def test_a_run_has_as_many_threads_alone_as_beside_others(tmp_path: Path) -> None:
    """Sums are rounded in another order with another number of threads."""
    runs = [StoredRun(Threads(out=tmp_path / str(i))) for i in range(3)]
    Local(workers=2, device="cpu").run(runs[:1], progress=False)
    Local(workers=2, device="cpu").run(runs, progress=False)
    counts = {run.scores["threads"]["mean"] for run in runs}
    assert counts == {max(1, usable_cores() // 2)}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot limit cores")
def test_workers_are_as_many_as_the_cores_that_the_process_may_use() -> None:
    """A cluster may lend one core of a large machine."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert Local(device="cpu").at_a_time() == 1
    finally:
        os.sched_setaffinity(0, cores)
    assert Local(device="cpu").at_a_time() == len(cores)


CODE = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_sweep import Local, Slow, StoredRun
if __name__ == "__main__":
    store = Path({store!r})
    Local(workers=2).run([StoredRun(Slow(out=store / str(i))) for i in range(9)], progress=False)
"""


@contextmanager
def sweeping(store: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], list[int]]]]:
    """Start a sweep of two workers, and give its process and those of the workers."""
    store.mkdir()
    script = store / "script.py"
    script.write_text(CODE.format(tests=str(Path(__file__).parent), store=str(store)))
    process = subprocess.Popen([sys.executable, str(script)])

    def workers() -> list[int]:
        return [int(path.stem) for path in store.glob("*.pid")]

    while len(workers()) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    try:
        yield process, workers
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_sweep_that_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    with sweeping(tmp_path / "store") as (process, workers):
        process.send_signal(number)
        expected = -number if number == signal.SIGKILL else 128 + number
        assert process.wait(300) == expected
        deadline = time.monotonic() + 300
        while any(alive(worker) for worker in workers()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        finished = list((tmp_path / "store").glob("*/measured.json"))
        assert len(finished) < 9


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
