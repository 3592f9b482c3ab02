"""What reading a recording costs: statistics of a gigabyte, and one gate of a thousand epochs.

    python -m benchmarks.read

A gigabyte of raw float32 in one file is read in turns: by pyarrow alone, which decodes it with as
many threads as there are cores; by `channel_moments` and `stripe_index`; and by a script with
pandas and numpy. Then one gate of one epoch is read from a recording of a thousand epochs, beside a
plain pyarrow read of the same columns, before and after `verify`. Memory is the growth of what is
resident while `channel_moments` runs for the first time, and the most that Arrow holds at once; the
size of a row group stands beside it.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import stripe
from benchmarks.common import interleaved, resident, save
from benchmarks.large import write
from stripe.recording.finished_part import matrix
from stripe.recording.schema import gate_column


def by_pyarrow(path: Path, columns: list[str]) -> None:
    """Decode columns, a row group at a time, and keep nothing."""
    for file in path.rglob("*.parquet"):
        with pq.ParquetFile(file) as opened:
            for group in range(opened.num_row_groups):
                opened.read_row_group(group, columns=columns)


def by_pandas(path: Path, columns: list[str]) -> dict[str, Any]:
    """Compute mean and deviation as a script with pandas and numpy does, gate by gate."""
    found = {}
    for column in columns:
        values = np.stack(pd.read_parquet(path / "data", columns=[column])[column].tolist())
        found[column] = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
    return found


def grown(work: Callable[[], object]) -> float:
    """Return by how many MiB resident memory grows at most while something runs."""
    before, most, done = resident(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.005):
            most = max(most, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return most - before


def twenty_times(way: Callable[[], object]) -> None:
    """Call a way twenty times."""
    for _ in range(20):
        way()


def ratio(seconds: dict[str, list[float]], name: str, base: str) -> float:
    """Return the median over rounds of how long one way takes, relative to another."""
    pairs = zip(seconds[name], seconds[base], strict=True)
    return statistics.median(own / other for own, other in pairs)


def main() -> None:
    """Measure, and write benchmarks/results/read.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="read-") as folder:
        large = statistics_of_a_gigabyte(Path(folder) / "large", args.images, args.rounds)
        many = one_gate_of_many_epochs(Path(folder) / "many", args.epochs, args.rounds)
    save("read", {"rounds": args.rounds, "statistics": large, "one_gate": many})


def processor_seconds(recording: stripe.Recording, rounds: int) -> dict[str, float]:
    """Return the processor time of `channel_moments`, and of its parts: decode, view, reduce."""
    columns = {name: gate_column(name) for name in recording.gates["name"]}
    (part,) = recording.parts(recording.epochs[0])
    seconds: dict[str, list[float]] = {"whole": [], "decode and view": [], "view": [], "reduce": []}
    for _ in range(rounds):
        began = time.process_time()
        stripe.stats.channel_moments(recording)
        seconds["whole"].append(time.process_time() - began)
        parts = dict.fromkeys(("view", "reduce"), 0.0)
        began = time.process_time()
        for values in part.pieces(columns):
            reducing = time.process_time()
            for array in values.values():
                stripe.stats.Moments.of(array)
            parts["reduce"] += time.process_time() - reducing
        decoded = time.process_time() - began - parts["reduce"]
        for table in part.tables([*columns.values()]):
            viewing = time.process_time()
            for column in table.columns:
                matrix(column)
            parts["view"] += time.process_time() - viewing
        for name, spent in {**parts, "decode and view": decoded}.items():
            seconds[name].append(spent)
    return {name: statistics.median(spent) for name, spent in seconds.items()}


def statistics_of_a_gigabyte(path: Path, images: int, rounds: int) -> dict[str, Any]:
    """Measure statistics of 12 gates of 2,048 channels."""
    write(path, gates=12, images=images, channels=2048)
    recording = stripe.open_recording(path)
    columns = [gate_column(name) for name in recording.gates["name"]]
    raw = 12 * images * 2048 * 4 / 1e9
    memory = grown(lambda: stripe.stats.channel_moments(recording))
    allocated = pa.default_memory_pool().max_memory() / 2**20
    seconds = interleaved(
        {
            "pyarrow": lambda: by_pyarrow(path, columns),
            "channel_moments": lambda: stripe.stats.channel_moments(recording),
            "stripe_index": lambda: stripe.stats.stripe_index(recording),
            "pandas": lambda: by_pandas(path, columns),
        },
        rounds,
    )
    with pq.ParquetFile(next(path.rglob("*.parquet"))) as file:
        group = file.metadata.row_group(0).total_byte_size / 2**20
    return {
        "gigabytes": raw,
        "gigabytes_per_s": {n: raw / statistics.median(times) for n, times in seconds.items()},
        "times_pyarrow": {name: ratio(seconds, name, "pyarrow") for name in seconds},
        "processor_seconds": processor_seconds(recording, rounds),
        "resident_memory_grew_by_mib": memory,
        "arrow_allocated_at_most_mib": allocated,
        "row_group_mib": group,
    }


def one_gate_of_many_epochs(path: Path, epochs: int, rounds: int) -> dict[str, Any]:
    """Measure reading one gate of one epoch, of 1,000 images, among many."""
    write(path, gates=8, images=1000, channels=256, epochs=epochs)
    name, epoch = "layer3.gate", epochs // 2

    def plain() -> None:
        file = path / "data" / f"epoch={epoch}"
        pq.ParquetFile(next(file.glob("*.parquet"))).read(columns=["image", gate_column(name)])

    def opened() -> None:
        stripe.open_recording(path).values(name, epoch)

    recording = stripe.open_recording(path)
    ways: dict[str, Callable[[], object]] = {
        "pyarrow": plain,
        "values": lambda: recording.values(name, epoch),
        "open and values": opened,
    }
    seconds = interleaved({name: partial(twenty_times, way) for name, way in ways.items()}, rounds)
    recording.verify()
    two = {name: partial(twenty_times, ways[name]) for name in ("pyarrow", "values")}
    after = interleaved(two, rounds)
    return {
        "epochs": epochs,
        "milliseconds": {n: statistics.median(t) * 1000 / 20 for n, t in seconds.items()},
        "times_pyarrow": {n: ratio(seconds, n, "pyarrow") for n in seconds},
        "times_pyarrow_after_verify": ratio(after, "values", "pyarrow"),
    }


if __name__ == "__main__":
    main()
