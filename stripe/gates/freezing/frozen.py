"""The result of freezing."""

from dataclasses import dataclass

import pandas as pd
from torch import nn

from stripe import html

#: Columns of `Frozen.report`; exact constants have more.
REPORT_COLUMNS = ["gate", "frozen", "folded", "into", "reason"]


@dataclass(frozen=True)
class Frozen:
    """A network in which gates were replaced by constants.

    Parameters
    ----------
    model
        The network. Each module has the same mode (training or evaluation) as in the original.
    report
        One row per chosen gate:

        - gate, frozen, folded;
        - into: names of the layers or weights that absorbed the constant, separated by commas;
        - reason: why the gate could not be frozen or folded; "" if it folded, or if `fold` is False
          and it could be frozen.

        For exact constants, the report has the further columns off, on and taken, which
        `stripe.freeze` describes.
    error
        Error of folding: the largest difference between the outputs with folded and with unfolded
        constants, relative to the largest output. The images are random, from a fixed seed. If the
        output depends on discrete choices, as in a detector, the tensors next to the folded gates
        are compared instead. For exact constants, the error of setting weights to 0 is included.
    comparison
        Measurements on the `images` given to `stripe.freeze` (for optimal constants, on the random
        half from which they were not learned); None without images. One row per network:

        - constants: "none", "mean", "optimal" or "exact";
        - gates: number of frozen gates;
        - agreement, kl (in nats) and accuracy, each with its 95 % interval in the columns NAME_low
          and NAME_high.
    assumed
        For exact constants, the channels that the network treats as constant at their recorded
        value (0 or 1), although another image could give another value. Otherwise None. One row per
        channel:

        - gate, channel, value;
        - n: number of recorded images;
        - at_most: 95 % upper bound on the share of images with another value.

    Examples
    --------
    >>> frozen = stripe.freeze(model, recording)
    >>> frozen.error < 1e-4
    True
    >>> frozen.report["folded"].all()
    np.True_
    """

    model: nn.Module
    report: pd.DataFrame
    error: float
    comparison: pd.DataFrame | None = None
    assumed: pd.DataFrame | None = None

    def __repr__(self) -> str:
        frozen, folded = (int(self.report[name].sum()) for name in ("frozen", "folded"))
        return (
            f"Frozen({type(self.model).__name__}: {frozen} of {len(self.report)} gates frozen, "
            f"{folded} folded, error {self.error:.1g})"
        )

    def _repr_html_(self) -> str:
        report = self.report
        states = [_state(*row) for row in zip(report["frozen"], report["folded"], strict=True)]
        facts = {
            "frozen": f"{int(report['frozen'].sum())} of {len(report)} gates",
            "folded": int(report["folded"].sum()),
            "error": f"{self.error:.1g}",
        }
        shown = [f"{gate}: {state}" for gate, state in zip(report["gate"], states, strict=True)]
        picture = html.bars([1.0] * len(shown), states, shown, "what became of each gate")
        return html.summary("Frozen network", facts, picture, html.table(report))


def _state(frozen: bool, folded: bool) -> str:
    if folded:
        return "folded"
    return "constant beside its layer" if frozen else "not frozen"
