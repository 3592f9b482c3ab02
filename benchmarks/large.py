"""Recordings of stripes with noise, as large as one likes."""

from pathlib import Path

import numpy as np

from stripe.recording import Header, RecordedGate, RecordingWriter
from stripe.recording.schema import gate_column


def write(path: Path, *, gates: int, images: int, channels: int, epochs: int = 1) -> None:
    """Write a recording whose gates are stripes with noise.

    The values of all epochs are the same, so that thousands are written fast.
    """
    rng = np.random.default_rng(0)
    names = [f"layer{depth}.gate" for depth in range(gates)]
    made = tuple(
        RecordedGate(name=name, owner=name, owner_class="Gated", channels=channels, pooled=False)
        for name in names
    )
    pieces = []
    for start in range(0, images, 1000):
        index = np.arange(start, min(images, start + 1000))
        vectors = {}
        for depth, name in enumerate(names):
            stripe = np.sin(np.arange(channels) * (depth + 1)).astype(np.float32)
            noise = rng.standard_normal((len(index), channels), dtype=np.float32)
            vectors[gate_column(name)] = 0.5 + 0.2 * stripe + 0.1 * noise
        pieces.append((index, vectors))
    with RecordingWriter(path, Header(gates=made)) as writer:
        for epoch in range(epochs):
            with writer.epoch(epoch) as part:
                for index, vectors in pieces:
                    part.write(index, vectors, label=(index % 10).astype(np.int32))
