"""The effect of replacing each gate."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new, legend_above
from stripe.plots.choose import with_columns
from stripe.plots.series import series_styles
from stripe.typed import typed

_LABELS = {
    "agreement": "predictions that stay (%)",
    "kl": "KL divergence (nats)",
    "accuracy": "accuracy (%)",
}


@typed
def ablation(
    data: pd.DataFrame,
    *,
    measure: Literal["agreement", "kl", "accuracy"] = "agreement",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw a measure of every intervention on every gate, with its interval.

    Parameters
    ----------
    data
        The table of `stripe ablate` or `stripe.intervene.ablate.ablate`, with the columns
        intervention and gate, and the drawn measure with its interval, such as kl, kl_low and
        kl_high. For accuracy, the row of the intervention "none" is drawn as a line.
    measure
        Measure to draw: "agreement", "kl" (in nats) or "accuracy".
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.errorbar`.

    Returns
    -------
    Axes
        `ax`, with gates from top to bottom in the order of the table. The points of different
        interventions on a gate are one below the other, in different colours and markers. The scale
        of the KL divergence is logarithmic, and a divergence of 0 is not drawn. The height of new
        axes depends on the number of points.

    Raises
    ------
    StripeError
        If there is no such measure, or the table lacks a column, has no rows or no values of the
        measure, or has texts instead of numbers.

    Notes
    -----
    All rows use the same images, so the difference between two gates can be significant even if
    their intervals overlap.

    Examples
    --------
    >>> from stripe.intervene.ablate import ablate
    >>> table = ablate(model, loader, recording, ["mean", "one"], progress=False)
    >>> ax = stripe.plots.ablation(table)
    """
    if measure not in _LABELS:
        raise StripeError(f"a measure is one of {', '.join(_LABELS)}, got {measure!r}")
    scale = 1 if measure == "kl" else 100
    data = with_columns(
        data,
        ("intervention", "gate", *(measure + end for end in ("", "_low", "_high"))),
        names=("intervention", "gate"),
        of="`stripe ablate`",
    )
    replaced = data[data["intervention"] != "none"]
    gates, hows = replaced["gate"].drop_duplicates().tolist(), replaced["intervention"].unique()
    if replaced[measure].isna().all():
        raise StripeError(
            f"the table has no {measure} to draw; accuracy needs labels, and kl class scores; "
            "agreement is always there"
        )
    ax = axes_or_new(ax, height=max(1.9, 0.6 + 0.055 * max(3, len(hows)) * len(gates)))
    if measure == "kl" and (replaced["kl"] > 0).any():
        ax.set_xscale("log", nonpositive="clip")
    style = {"markersize": 2.5, "elinewidth": 0.8, "linestyle": ""}
    series = zip(
        np.linspace(-0.3, 0.3, len(hows) + 1), hows, series_styles(len(hows)), strict=False
    )
    for offset, how, own in series:
        rows = replaced[replaced["intervention"] == how]
        middle, low, high = (scale * rows[measure + end] for end in ("", "_low", "_high"))
        places = [gates.index(gate) + offset for gate in rows["gate"]]
        errors = np.clip([middle - low, high - middle], 0, None)
        shown = middle.where((middle > 0) | (measure != "kl"))
        ax.errorbar(shown, places, xerr=errors, label=str(how), **{**style, **own, **kwargs})
    if measure == "accuracy" and len(none := data[data["intervention"] == "none"]):
        ax.axvline(scale * none[measure].iloc[0], color="gray", linewidth=0.8, label="none")
    ax.set_yticks(range(len(gates)), gates)
    ax.invert_yaxis()
    ax.set(xlabel=f"{_LABELS[measure]}\nbars: 95 % intervals", ylabel="gate")
    figure: Any = ax.figure.canvas.figure  # the whole one, also of axes in a part of it
    figure.draw_without_rendering()  # the names of gates narrow the axes, and so the legend
    legend_above(ax)
    return ax
