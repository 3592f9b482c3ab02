"""Moments of every column, kept on the device while batches pass."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor


class OnlineMoments:
    """Merge the moments of batches in float64, without a copy to the host until the end.

    The formulas are those of `stripe.stats.moments.Moments`, for all columns side by side.
    """

    def __init__(self) -> None:
        self.n = 0
        self._mean = self._m2 = self._min = self._max = torch.empty(0)

    def add(self, values: Float32[Tensor, "images total"]) -> None:
        """Merge one batch."""
        exact = values.double()
        mean = exact.mean(0)
        m2 = (exact - mean).square().sum(0)
        low, high = values.amin(0), values.amax(0)
        if self.n == 0:
            self._mean, self._m2, self._min, self._max = mean, m2, low, high
        else:
            count = len(values)
            whole = self.n + count
            delta = mean - self._mean
            self._mean = self._mean + delta * (count / whole)
            self._m2 = self._m2 + m2 + delta.square() * (self.n * count / whole)
            self._min, self._max = torch.minimum(self._min, low), torch.maximum(self._max, high)
        self.n += len(values)

    def by_column(self, lengths: Mapping[str, int]) -> dict[str, Float64[np.ndarray, "4 length"]]:
        """Copy to the host: mean, m2, min and max of each column, whose lengths add up."""
        rows = [self._mean, self._m2, self._min.double(), self._max.double()]
        table = torch.stack(rows).cpu().numpy()
        ends = np.cumsum(list(lengths.values()))
        return dict(zip(lengths, np.split(table, ends[:-1], axis=1), strict=True))
