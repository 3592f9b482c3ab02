"""Every bit of a float32 comes back: numbers near zero, both zeros, infinities and kinds of NaN."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording

#: Patterns of 32 bits: zeros, subnormals, the least normal, infinities, quiet and signalling NaN.
BITS = np.array(
    [0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x7F800000,
     0xFF800000, 0x7FC00000, 0xFFC00000, 0x7FC12345, 0xFFC54321, 0x7F800001, 0xFFA00001,
     0x7F7FFFFF, 0x3F800001],
    np.uint32,
)  # fmt: skip
GATE = RecordedGate(name="g", owner="", owner_class="", channels=len(BITS))


def bits_of(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.uint32)


@pytest.mark.parametrize("shuffled", [False, True])
def test_values_come_back_bit_for_bit(shuffled: bool, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2**32, (50, len(BITS)), dtype=np.uint64).astype(np.uint32)
    bits = np.concatenate([BITS[None], drawn, BITS[None, ::-1]])
    order = rng.permutation(len(bits)) if shuffled else np.arange(len(bits))
    values = bits[order].view(np.float32)
    with RecordingWriter(tmp_path / "r", Header(gates=(GATE,))) as writer, writer.epoch(0) as part:
        part.write(order, {"gate/g": values, "input/g": values[:, ::-1]})
    recording = open_recording(tmp_path / "r")
    recording.verify()
    np.testing.assert_array_equal(bits_of(recording.values("g", 0)), bits)
    np.testing.assert_array_equal(bits_of(recording.inputs("g", 0)), bits[:, ::-1])
    pieces = [bits_of(piece["g"]) for piece in recording.scan(0)]
    np.testing.assert_array_equal(np.concatenate(pieces), bits[order])
    frame = pd.read_parquet(tmp_path / "r/data").sort_values("image")
    np.testing.assert_array_equal(bits_of(np.stack(list(frame["gate/g"]))), bits)
    table = pq.read_table(tmp_path / "r/data/epoch=0/part-0.parquet")
    flat = table["gate/g"].combine_chunks().flatten().to_numpy()
    np.testing.assert_array_equal(bits_of(flat).reshape(bits.shape), bits[order])


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_formats_keep_what_float32_holds(kind: type, tmp_path: Path) -> None:
    """A subnormal half is a normal float32; -0.0 keeps its sign, and NaN stays NaN."""
    exact: np.ndarray = np.array(
        [[0.0, -0.0, 2.0**-24, -(2.0**-24), np.inf, -np.inf, np.nan, 65504.0]], kind
    )
    gate = RecordedGate(name="g", owner="", owner_class="", channels=8, pooled=False)
    with RecordingWriter(tmp_path / "r", Header(gates=(gate,))) as writer, writer.epoch(0) as part:
        part.write(np.arange(1), {"gate/g": exact})
    found = open_recording(tmp_path / "r").values("g", 0)
    np.testing.assert_array_equal(found, exact.astype(np.float64))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(exact))
