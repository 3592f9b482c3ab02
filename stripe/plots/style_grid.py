"""Pictures in a grid: contents down, methods across."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new


def style_grid(
    data: Mapping[str, Sequence[np.ndarray]],
    *,
    rows: Sequence[str] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw pictures side by side, one column per method, one row per content.

    Parameters
    ----------
    data
        From the title of a column (content, style, a network under a noise) to its pictures, from
        top to bottom: each (H, W, 3) or (H, W), as bytes or as floats from 0 to 1.
    rows
        Names of the rows.
    ax
        Axes to draw in; by default new ones.
    **kwargs
        For every `Axes.imshow`.

    Returns
    -------
    Axes
        `ax`, whose `child_axes` are the panels, row by row.

    Raises
    ------
    StripeError
        If there is no picture, or the columns differ in length.

    References
    ----------
    Figure 5.
    """
    counts = {title: len(pictures) for title, pictures in data.items()}
    if not counts or 0 in counts.values() or len(set(counts.values())) > 1:
        raise StripeError(f"columns must hold equally many pictures, at least one, got {counts}")
    count = next(iter(counts.values()))
    if rows is not None and len(rows) != count:
        raise StripeError(f"each of {count} rows needs a name, got {len(rows)}")
    ax = axes_or_new(ax, height=3.2 * count / len(data) + 0.2)
    ax.set_axis_off()
    width, height = 1 / len(data), 1 / count
    for row in range(count):
        for column, (title, pictures) in enumerate(data.items()):
            place = (column * width, 1 - (row + 1) * height, 0.96 * width, 0.96 * height)
            panel = ax.inset_axes(place)
            whole = {"vmin": 0, "vmax": 255 if np.asarray(pictures[row]).dtype == np.uint8 else 1}
            style = {"cmap": "gray", "interpolation": "antialiased", **whole, **kwargs}
            panel.imshow(pictures[row], **style)
            panel.set(xticks=[], yticks=[])
            if row == 0:
                panel.set_title(title)
            if column == 0 and rows is not None:
                panel.set_ylabel(rows[row])
    return ax
