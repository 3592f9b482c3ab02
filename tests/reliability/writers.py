"""Writers that go on until they are killed; the values of epoch e are all e.

Usage: python tests/reliability/writers.py KIND FOLDER. "ours" is the writer of recordings, "naive"
one that writes a file of an epoch straight to its place.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stripe.recording import Header, RecordedGate, RecordingWriter

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=64, pooled=False),)
)
IMAGES = 400


def ours(path: Path) -> None:
    """Write epochs into a recording."""
    with RecordingWriter(path, HEADER) as writer:
        epoch = len(writer.epochs)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            with writer.epoch(epoch) as part:
                for start in range(0, IMAGES, IMAGES // 2):
                    values = np.full((IMAGES // 2, 64), epoch, np.float32)
                    part.write(np.arange(start, start + IMAGES // 2), {"gate/g": values})
            epoch += 1


def naive(path: Path) -> None:
    """Write epochs as files."""
    path.mkdir(exist_ok=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    epoch = len(list(path.iterdir()))
    while True:
        values = np.random.default_rng(epoch).random(IMAGES * 640)
        pq.write_table(pa.table({"value": values}), path / f"{epoch}.parquet", row_group_size=999)
        epoch += 1


if __name__ == "__main__":
    {"ours": ours, "naive": naive}[sys.argv[1]](Path(sys.argv[2]))
