"""What objects show of themselves at the end of a cell: facts, a small picture, and a table."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
import pandas as pd
from jaxtyping import Float32

#: Rows of a table that are shown, and rows and columns of a raster.
_MOST_ROWS, MOST_CELLS = 8, (40, 160)
#: Blue, orange, green and so on: seaborn's palette for the colour blind.
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#949494")
#: Pixels: width and height of a picture of bars, and the lowest bar.
_WIDTH, _HEIGHT, _LOWEST = 420, 60, 2

Table = pd.DataFrame
Cells = Float32[np.ndarray, "rows columns"]


@dataclass(frozen=True)
class Shown:
    """HTML as an object that a notebook shows."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def summary(title: str, facts: Mapping[str, object], *parts: str) -> str:
    """Return a title, a line of facts and what follows, as HTML.

    Parameters
    ----------
    title
        Title of the object.
    facts
        From names to values; those that are "" are left out.
    parts
        HTML of pictures and tables, as the functions of this file return it.
    """
    lines = [f"{escape(name)}: <b>{escape(str(value))}</b>" for name, value in facts.items()
            if value != ""]  # fmt: skip
    return f"<div><b>{escape(title)}</b><br>{' · '.join(lines)}{''.join(parts)}</div>"


def table(data: Table) -> str:
    """Return the first rows of a table, and how many more there are."""
    left = len(data) - _MOST_ROWS
    shown = data.head(_MOST_ROWS).to_html(None, index=False, border=0, float_format="{:.3g}".format)
    return shown + (f"<div>and {left} more</div>" if left > 0 else "")


def image(content: bytes, alt: str, caption: str = "") -> str:
    """Return a PNG inside of the page."""
    data = b64encode(content).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure style="margin: 6px 0"><img alt="{escape(alt)}" style="max-width: 100%" '
        f'src="data:image/png;base64,{data}">{below}</figure>'
    )


def raster(values: Cells, alt: str, caption: str) -> str:
    """Return a picture of a matrix from its lowest to its highest value, a few pixels per cell."""
    from matplotlib import colormaps
    from PIL import Image

    finite = np.nan_to_num(values.astype(float))
    low, high = float(finite.min()), float(finite.max())
    scaled = (finite - low) / (high - low) if high > low else np.zeros_like(finite)
    pixels = colormaps["viridis"](scaled, bytes=True)[:, :, :3]
    side = max(2, _WIDTH // values.shape[1])
    buffer = BytesIO()
    size = (values.shape[1] * side, values.shape[0] * min(side, 6))
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(buffer, format="png")
    return image(buffer.getvalue(), alt, f"{caption}; colours from {low:.3g} to {high:.3g}")


def bars(heights: Sequence[float], groups: Sequence[str], names: Sequence[str], alt: str) -> str:
    """Return a picture with one bar for each of `names`, coloured by its group, and a legend.

    Parameters
    ----------
    heights
        At least 0, in any unit.
    groups, names
        The group and the name of each bar. The pointer shows the name.
    alt
        Description of the picture.
    """
    kinds = list(dict.fromkeys(groups))
    colour = {kind: COLOURS[number % len(COLOURS)] for number, kind in enumerate(kinds)}
    step, top = _WIDTH / max(1, len(names)), max(heights, default=0) or 1
    drawn = []
    for number, (height, group, name) in enumerate(zip(heights, groups, names, strict=True)):
        tall = max(_LOWEST, height / top * _HEIGHT)
        drawn.append(
            f'<rect x="{number * step:.1f}" y="{_HEIGHT - tall:.1f}" width="{0.9 * step:.1f}" '
            f'height="{tall:.1f}" fill="{colour[group]}"><title>{escape(name)}</title></rect>'
        )
    legend = " ".join(
        f'<span style="color: {colour[kind]}">&#9632;</span> {escape(kind)}' for kind in kinds
    )
    return (
        f'<div><svg role="img" aria-label="{escape(alt)}" width="{_WIDTH}" height="{_HEIGHT}">'
        f"{''.join(drawn)}</svg><br>{legend}</div>"
    )
