"""Pictures in a grid: contents down, methods across (Figure 5)."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from stripe.errors import StripeError
from stripe.plots.axes import COLUMN_WIDTH, axes_or_new
from stripe.plots.literal import literal
from stripe.typed import typed

#: Heights in inches of a line below a picture, and of the title above the first row.
_LINE, _TITLE = 0.105, 0.2
#: Number of letters of a note that fit in a column.
_NOTE = 60


@typed
def style_grid(
    data: Mapping[str, Sequence[np.ndarray]],
    *,
    rows: Sequence[str] | None = None,
    captions: Mapping[str, Sequence[str]] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw pictures in a grid, with one column per method and one row per content image.

    Parameters
    ----------
    data
        Mapping from the title of a column (content, style or method) to its pictures, from top to
        bottom. Each picture is an array (H, W, 3) or (H, W), of uint8 or of floats from 0 to 1.
    rows
        Names of the rows.
    captions
        Mapping from the title of a column to the captions below its pictures.
    note
        Text below all pictures.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to each call of `Axes.imshow`.

    Returns
    -------
    Axes
        `ax`, with the panels as its `child_axes`, row by row.

    Raises
    ------
    StripeError
        If there is no picture, the columns differ in length, or `rows` or the captions of a column
        do not have one text per picture.

    References
    ----------
    Figure 5.

    Examples
    --------
    >>> pictures = [np.zeros((8, 8, 3)), np.ones((8, 8, 3))]
    >>> ax = stripe.plots.style_grid({"content": pictures, "BN": pictures[::-1]})
    """
    counts = {title: len(pictures) for title, pictures in data.items()}
    if not counts or 0 in counts.values() or len(set(counts.values())) > 1:
        raise StripeError(f"columns must hold equally many pictures, at least one, got {counts}")
    count = next(iter(counts.values()))
    if rows is not None and len(rows) != count:
        raise StripeError(f"each of {count} rows needs a name, got {len(rows)}")
    below = {} if captions is None else captions
    if bad := [title for title, texts in below.items() if len(texts) != counts.get(title)]:
        raise StripeError(f"each picture of a column needs a caption, and those of {bad[0]} do not")
    lines = max((text.count("\n") + 1 for texts in below.values() for text in texts), default=0)
    side, room = 0.94 * COLUMN_WIDTH / len(data), _LINE * (lines + 0.5 * bool(lines))  # inches
    noted = textwrap.wrap(note or "", _NOTE)
    ax = axes_or_new(ax, height=count * (side + room) + _TITLE + _LINE * len(noted))
    ax.set_axis_off()
    width, height = 1 / len(data), 1 / count
    share = 0.96 * side / (side + room)
    for row in range(count):
        for column, (title, pictures) in enumerate(data.items()):
            place = (column * width, 1 - (row + share) * height, 0.96 * width, share * height)
            panel = ax.inset_axes(place)
            whole = {"vmin": 0, "vmax": 255 if np.asarray(pictures[row]).dtype == np.uint8 else 1}
            style = {"cmap": "gray", "interpolation": "antialiased", **whole, **kwargs}
            panel.imshow(pictures[row], **style)
            panel.set(xticks=[], yticks=[])
            if title in below:
                panel.set_xlabel(
                    literal(below[title][row]), fontsize=plt.rcParams["xtick.labelsize"], labelpad=2
                )
            if row == 0:
                panel.set_title(literal(title))
            if column == 0 and rows is not None:
                panel.set_ylabel(literal(rows[row]))
    if noted:
        ax.text(
            0,
            -0.02,
            literal("\n".join(noted)),
            transform=ax.transAxes,
            va="top",
            fontsize=plt.rcParams["xtick.labelsize"],
        )
    return ax
