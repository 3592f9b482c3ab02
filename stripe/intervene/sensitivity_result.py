"""The result of `sensitivity`: the estimated cost of freezing gates, alone and in sets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from stripe import html, plots
from stripe.errors import ModelError
from stripe.gates.place import Place
from stripe.plots.inline import inline_picture
from stripe.recording import Gate
from stripe.select import Selection, select


@dataclass(frozen=True)
class Sensitivity:
    """Estimated cost of freezing gates at their means.

    Parameters
    ----------
    gates
        One row per gate, in forward order:

        - gate, channels;
        - first_order: the mean of `|a|`, in nats;
        - fisher: half the mean of `a^2`, in nats, an estimate of the KL divergence between the
          network and the network with this gate frozen;
        - fisher_se: the standard error of fisher over images; NaN for one image.
    channels
        The same estimates for each channel alone: gate, channel, first_order, fisher.
    matrix
        DataFrame (gates, gates): the mean of `a a^T`, with the names of the gates as labels.
    n_images, draws
        Number of images, and number of labels drawn per image.

    Notes
    -----
    For each image and drawn label y, `a = g . d`, where g is the gradient of log p(y) with respect
    to a gate, and d is the recorded mean minus the gate.

    Examples
    --------
    >>> found = stripe.sensitivity(model, loader, recording, draws=1, progress=False)
    >>> found.gates["gate"].tolist() == recording.gates["name"].tolist()
    True
    >>> found.greedy()["frozen"].tolist()
    [1, 2, 3]
    """

    gates: pd.DataFrame
    channels: pd.DataFrame
    matrix: pd.DataFrame
    n_images: int
    draws: int

    def _repr_html_(self) -> str:
        facts = {
            "all gates at once": f"{self.cost():.3g} nats",
            "images": self.n_images,
            "draws": self.draws,
        }
        picture = inline_picture(
            lambda ax: plots.sensitivity(self.gates, ax=ax),
            "estimated cost of freezing each gate",
        )
        return html.summary("Estimated cost of freezing", facts, picture, html.table(self.gates))

    def cost(self, gates: Selection = "all") -> float:
        """Estimate the KL divergence caused by freezing several gates together, in nats.

        The estimate is half the sum of the entries of `matrix` in the rows and columns of these
        gates.

        Raises
        ------
        UnknownNameError
            If a gate was not measured.
        """
        names = select(
            {str(name): name for name in self.matrix}, gates, kind="gate", owner="this table"
        )
        return float(self.matrix.loc[names, names].to_numpy().sum()) / 2

    def greedy(self) -> pd.DataFrame:
        """Order the gates so that each further gate adds the least to the cost of the set.

        Returns
        -------
        DataFrame
            One row per number of gates: frozen (number of gates), gate (the last one added), cost
            (of the set, in nats).

        Raises
        ------
        ModelError
            If an entry of the matrix is not finite.
        """
        matrix = self.matrix.to_numpy()
        if not np.isfinite(matrix).all():
            raise ModelError(
                "an order by cost needs finite gradients of the class scores, and some are not; "
                "run the network in float32, or leave images out"
            )
        rows: list[tuple[int, str, float]] = []
        left, sums, cost = list(range(len(matrix))), np.zeros(len(matrix)), 0.0
        while left:
            added = [matrix[k, k] / 2 + sums[k] for k in left]
            best = left.pop(int(np.argmin(added)))
            cost, sums = cost + min(added), sums + matrix[best]
            rows.append((len(rows) + 1, str(self.matrix.columns[best]), cost))
        return pd.DataFrame(rows, columns=["frozen", "gate", "cost"])


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
            raise ModelError("a loader must give at least one batch, got none")
        sums = (self._matrix, self._first, self._fourth)
        return from_sums(self._gates, sums, self._channels(), self._images, draws)

    def _channels(self) -> pd.DataFrame:
        tables = []
        for gate, sums in zip(self._gates, self._by_channel, strict=True):
            first, square = sums / self._images
            of_gate = {"gate": gate.name, "channel": np.arange(gate.channels)}
            tables.append(pd.DataFrame({**of_gate, "first_order": first, "fisher": square / 2}))
        return pd.concat(tables, ignore_index=True)
