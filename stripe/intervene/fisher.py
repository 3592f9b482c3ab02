"""The Fisher information along d, the way from gates to their means, from sums over images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from stripe.errors import NoBatchError
from stripe.gates.place import Place
from stripe.intervene.sensitivity_result import Sensitivity
from stripe.recording import Gate


def from_sums(
    gates: Sequence[Gate],
    sums: tuple[np.ndarray, np.ndarray, np.ndarray],
    channels: pd.DataFrame,
    n_images: int,
    draws: int,
) -> Sensitivity:
    """Return the sensitivity to gates from sums over images.

    Parameters
    ----------
    gates
        The gates.
    sums
        Sums of means over draws: of `a a^T` (gates, gates), of `|a|` (gates,), and of the squared
        mean of `a^2` (gates,).
    channels, n_images, draws
        As in `Sensitivity`.
    """
    matrix, first, fourth = (total / n_images for total in sums)
    names = [gate.name for gate in gates]
    square = np.diag(matrix)
    spread = np.sqrt(np.maximum(fourth - square**2, 0.0))
    table = pd.DataFrame({
        "gate": names,
        "channels": [gate.channels for gate in gates],
        "first_order": first,
        "fisher": square / 2,
        "fisher_se": spread / 2 / (n_images - 1) ** 0.5 if n_images > 1 else np.nan,
    })  # fmt: skip
    labelled = pd.DataFrame(matrix, index=names, columns=names)
    return Sensitivity(table, channels, labelled, n_images, draws)


class Sums:
    """Sums over images of the changes of log p(y) along the paths of gates to their means.

    Parameters
    ----------
    places
        The gates.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._gates = [place.gate for place in places]
        self._images = 0
        count = len(places)
        self._matrix = np.zeros((count, count))
        self._first, self._fourth = np.zeros(count), np.zeros(count)
        self._by_channel = [np.zeros((2, gate.channels)) for gate in self._gates]

    def add(self, of_draws: Sequence[Sequence[Tensor]]) -> None:
        """Add a batch: for each draw, a change (B, channels) for each gate."""
        whole = np.stack([[a.sum(1).numpy() for a in by_gate] for by_gate in of_draws])
        self._images += whole.shape[2]  # whole: (draw, gate, image)
        self._matrix += np.einsum("dgi,dhi->gh", whole, whole) / len(whole)
        self._first += np.abs(whole).mean(0).sum(1)
        self._fourth += np.square(np.square(whole).mean(0)).sum(1)
        for sums, changes in zip(self._by_channel, zip(*of_draws, strict=True), strict=True):
            a = np.stack([change.numpy() for change in changes])  # (draw, image, channel)
            sums += np.stack([np.abs(a).mean(0).sum(0), np.square(a).mean(0).sum(0)])

    def result(self, draws: int) -> Sensitivity:
        """Return the means over images."""
        if not self._images:
            raise NoBatchError
        sums = (self._matrix, self._first, self._fourth)
        return from_sums(self._gates, sums, self._channels(), self._images, draws)

    def _channels(self) -> pd.DataFrame:
        tables = []
        for gate, sums in zip(self._gates, self._by_channel, strict=True):
            first, square = sums / self._images
            of_gate = {"gate": gate.name, "channel": np.arange(gate.channels)}
            tables.append(pd.DataFrame({**of_gate, "first_order": first, "fisher": square / 2}))
        return pd.concat(tables, ignore_index=True)
