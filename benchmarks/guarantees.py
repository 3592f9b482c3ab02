"""What digests, the chain of log records and the checks of a recording cost, against older trees.

    git worktree add /tmp/before COMMIT
    python -m benchmarks.guarantees COMMIT=/tmp/before

One process per tree commits, reads and verifies a recording, in turns with the others, each with
the package of its own tree. `benchmarks/results/guarantees.json` holds medians and their ratios.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.common import save

#: Images, gates and channels of an epoch: 640 bytes, 8 MiB and 64 MiB of values.
SIZES = {"small": (10, 2, 8), "middle": (1000, 8, 256), "large": (4000, 16, 256)}
#: What one process does; it uses nothing that the oldest tree does not have.
WORKER = """
import sys, time
import numpy as np
import stripe
from stripe import recording
from stripe.recording import Header, RecordingWriter, open_recording

Gate = getattr(recording, "RecordedGate", recording.Gate)  # also in trees from before it
images, gates, channels, root, tree = *map(int, sys.argv[1:4]), *sys.argv[4:]
assert stripe.__file__.startswith(tree + "/"), stripe.__file__
names = [f"g{number}" for number in range(gates)]
header = Header(gates=tuple(
    Gate(name=n, owner=n, owner_class="Gated", channels=channels, pooled=False) for n in names
))
rng = np.random.default_rng(0)
values = {f"gate/{n}": rng.random((images, channels), dtype=np.float32) for n in names}
writer = RecordingWriter(root + "/r", header)
epoch = 0

def commit():
    global epoch
    with writer.epoch(epoch) as part:
        part.write(np.arange(images), values)
    epoch += 1

def read():
    for name in names:
        open_recording(root + "/r").values(name, 0)

def one():
    open_recording(root + "/r").values(names[0], 0)

def verify():
    open_recording(root + "/r").verify()

for line in sys.stdin:
    what = line.strip()
    start = time.perf_counter()
    {"commit": commit, "read": read, "one": one, "verify": verify}[what]()
    print(time.perf_counter() - start, flush=True)
"""
#: Seconds of each round by tree and kind of work.
Seconds = dict[str, dict[str, list[float]]]
#: What is timed in every round.
WORK = ("commit", "read", "one", "verify")


def measured(trees: Mapping[str, Path], size: str, rounds: int) -> Seconds:
    """Return the seconds of each kind of work in each round, by tree."""
    seconds: Seconds = {name: {w: [] for w in WORK} for name in trees}
    with tempfile.TemporaryDirectory() as folder:
        processes = {}
        for name, tree in trees.items():
            place = Path(folder, name.replace("/", "-"))
            place.mkdir()
            processes[name] = subprocess.Popen(
                [sys.executable, "-c", WORKER, *map(str, SIZES[size]), str(place), str(tree)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tree,
                env={**os.environ, "PYTHONPATH": str(tree)},
            )  # fmt: skip
        for number in range(-1, rounds):  # the first warms up
            for work in WORK:
                turn = number % len(processes)
                for name in [*processes][turn:] + [*processes][:turn]:
                    taken = asked(processes[name], work)
                    if number >= 0:
                        seconds[name][work].append(taken)
        for process in processes.values():
            process.communicate()
    return seconds


def compared(seconds: Seconds, before: str) -> dict[str, dict[str, float]]:
    """Return how much longer work takes now: the median over rounds, and of the fastest rounds."""
    return {
        work: {
            "median": statistics.median(
                now / then for now, then in zip(seconds["now"][work], times, strict=True)
            ),
            "fastest": min(seconds["now"][work]) / min(times),
        }
        for work, times in seconds[before].items()
    }


def asked(process: "subprocess.Popen[str]", work: str) -> float:
    """Let a process do some work, and return the seconds it took."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{work}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    """Time every size, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", nargs="+", help="COMMIT=FOLDER of an older tree")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    trees = {
        "now": Path.cwd(),
        **{n: Path(f) for n, _, f in (b.partition("=") for b in given.before)},
    }
    result: dict[str, object] = {"rounds": given.rounds, "sizes": SIZES}
    for size in SIZES:
        seconds = measured(trees, size, given.rounds)
        medians = {
            name: {work: statistics.median(times) for work, times in of_tree.items()}
            for name, of_tree in seconds.items()
        }
        ratios = {name: compared(seconds, name) for name in trees if name != "now"}
        result[size] = {"seconds": medians, "ratio of now to": ratios}
    save("guarantees", result)


if __name__ == "__main__":
    main()
