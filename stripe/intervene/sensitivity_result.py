"""The result of `sensitivity`: the estimated cost of freezing gates, alone and in sets."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stripe import html
from stripe.errors import ModelError
from stripe.select import Selection, select


@dataclass(frozen=True)
class Sensitivity:
    """Estimated cost of freezing gates at their means.

    Parameters
    ----------
    gates
        One row per gate, in forward order:

        - gate, channels;
        - first_order: the mean of `|a|`, in nats, with `a` as in the Notes;
        - fisher: half the mean of `a^2`, in nats, an estimate of the KL divergence between the
          network and the network with this gate frozen;
        - fisher_se: the standard error of fisher over images; NaN for one image.
    channels
        The same estimates for each channel alone: gate, channel, first_order, fisher.
    matrix
        DataFrame (gates, gates): the mean of `a_i a_j` for each pair of gates i and j, with the
        names of the gates as labels.
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

    def __repr__(self) -> str:
        return (
            f"Sensitivity({len(self.gates)} gates: all at once {self.cost():.3g} nats, "
            f"{self.n_images} images, {self.draws} draws)"
        )

    def _repr_html_(self) -> str:
        # Matplotlib and seaborn take a second to import, which only a picture needs.
        from stripe.plots.inline import inline_picture
        from stripe.plots.sensitivity import sensitivity

        facts = {
            "all gates at once": f"{self.cost():.3g} nats",
            "images": self.n_images,
            "draws": self.draws,
        }
        picture = inline_picture(
            lambda ax: sensitivity(self.gates, ax=ax),
            "estimated cost of freezing each gate",
        )
        return html.summary("Estimated cost of freezing", facts, picture, html.table(self.gates))

    def cost(self, gates: Selection = "all") -> float:
        """Estimate the KL divergence caused by freezing several gates together, in nats.

        The estimate is half the sum of the entries of `matrix` in the rows and columns of these
        gates. `gates` is "all", names, a pattern such as "layer3.*", or a predicate of a name.

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
