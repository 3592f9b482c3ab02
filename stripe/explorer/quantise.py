"""Values as bytes on a linear scale, which a page draws and turns back into values."""

import struct
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

#: Rows, columns, values that are not finite, lowest and highest value; little-endian.
_HEAD = struct.Struct("<IIIff")


class Quantised(NamedTuple):
    """Values as bytes, and the values for which 0 and 255 stand.

    Parameters
    ----------
    steps
        Shape (rows, columns).
    low, high
        `value = low + step / 255 * (high - low)`, with an error of at most `(high - low) / 510`.
    unknown
        Number of values that are not finite; they are drawn as `low`.
    """

    steps: UInt8[np.ndarray, "rows columns"]
    low: float
    high: float
    unknown: int

    def packed(self) -> bytes:
        """Return the head and the bytes, row by row, in the format that the page reads."""
        return _HEAD.pack(*self.steps.shape, self.unknown, self.low, self.high) + bytes(
            self.steps.data
        )


def quantised(values: Float32[np.ndarray, "rows columns"]) -> Quantised:
    """Quantise values to 256 steps from the lowest to the highest finite value."""
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    unknown = 0
    if not np.isfinite([low, high]).all():
        finite = np.isfinite(values)
        unknown = int(finite.size - np.count_nonzero(finite))
        low = float(values.min(where=finite, initial=np.inf)) if finite.any() else 0.0
        high = float(values.max(where=finite, initial=-np.inf)) if finite.any() else 0.0
        values = np.where(finite, values, np.float32(low))
    width = high - low
    scaled = np.subtract(values, np.float32(low))
    scaled *= np.float32(255 / width if width > 0 else 0)
    scaled += np.float32(0.5)
    return Quantised(np.clip(scaled, 0, 255, out=scaled).astype(np.uint8), low, high, unknown)
