"""Writers that are killed, that meet, and that are watched while they write."""

import multiprocessing
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from writers import HEADER, IMAGES

from stripe.errors import RecordingError
from stripe.recording import RecordingWriter, open_recording

pytestmark = pytest.mark.slow

WRITERS = Path(__file__).with_name("writers.py")


def started(kind: str, path: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, str(WRITERS), kind, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def killed(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_killed_at_random_moments(
    tmp_path: Path, times: Callable[[int, int], int], seed: int
) -> None:
    """Nothing that was committed is lost, nothing is partial, and nothing comes twice."""
    rng, total = random.Random(seed), 0
    for number in range(times(12, 300)):
        if number % 12 == 0:  # all epochs are verified after every kill
            path, before = tmp_path / str(number), 0
        process = started("ours", path)
        # Every other writer commits once, however busy the machine is, and is killed after that.
        while number % 2 and not (path / f"data/epoch={before}").exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.15))
        killed(process)
        recording = open_recording(path)
        assert recording.verify()["rows"].tolist() == [IMAGES] * len(recording.epochs)
        assert len(recording.epochs) >= before
        total += len(recording.epochs) - before
        before = len(recording.epochs)
        for epoch in recording.epochs[-2:]:
            assert (recording.values("g", epoch) == epoch).all()
        assert recording.epochs == list(range(before))
    print(f"{total} epochs, each whole and once")  # noqa: T201
    assert total > 3


def test_the_harness_catches_a_naive_writer(tmp_path: Path, seed: int) -> None:
    """Killed in the same way, a writer without a commit leaves a file that cannot be read."""
    rng, damaged = random.Random(seed), 0
    for _ in range(60):
        process = started("naive", tmp_path / "n")
        while len(list((tmp_path / "n").iterdir())) < 2:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.15))
        killed(process)
        for file in (tmp_path / "n").iterdir():
            try:
                damaged += len(pq.read_table(file)) != IMAGES * 640
            except (pa.ArrowException, OSError):
                damaged += 1
            file.unlink()
        if damaged:
            return
    pytest.fail("60 kills damaged no file of a naive writer")


def test_a_reader_and_verify_while_epochs_are_committed(
    tmp_path: Path, times: Callable[[int, int], int]
) -> None:
    process, looks = started("ours", tmp_path / "r"), 0
    try:
        while len(open_recording(tmp_path / "r").epochs) < times(20, 200):
            recording = open_recording(tmp_path / "r")
            assert set(recording.verify()["rows"]) <= {IMAGES}
            for epoch in recording.epochs[-1:]:
                assert (recording.values("g", epoch) == epoch).all()
            looks += 1
    finally:
        killed(process)
    print(f"{looks} looks")  # noqa: T201
    assert looks > 0


def race(path: Path, barrier: Barrier, said: Any) -> None:
    """Commit one epoch at the same time as another process; say how that ended."""
    barrier.wait()
    try:
        with RecordingWriter(path, HEADER) as writer, writer.epoch(len(writer.epochs)) as part:
            part.write(np.arange(3), {"gate/g": np.zeros((3, 64), np.float32)})
        said.put("committed")
    except RecordingError as error:
        said.put(str(error))


def test_two_writers_race(tmp_path: Path, times: Callable[[int, int], int]) -> None:
    context = multiprocessing.get_context("spawn")
    for number in range(times(3, 100)):
        path, barrier, said = tmp_path / str(number), context.Barrier(2), context.Queue()
        both = [context.Process(target=race, args=(path, barrier, said)) for _ in range(2)]
        for process in both:
            process.start()
        results = [said.get(timeout=120) for _ in both]
        for process in both:
            process.join()
            process.close()
        committed = results.count("committed")
        assert committed >= 1, results
        for result in results:
            assert result == "committed" or "one writer at a time" in result, result
        assert len(open_recording(path).verify()) == committed
