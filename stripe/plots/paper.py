"""The style of figures for a paper, and the files to which figures are saved."""

from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from stripe.errors import StripeError
from stripe.files import check_target, saving
from stripe.plots.axes import PAPER_FONT_SIZE
from stripe.typed import typed

FORMATS = (".png", ".pdf", ".svg")
#: Dots per inch of a picture in a paper.
DPI = 300

#: Sizes that stay readable when printed at column width.
_STYLE: Any = {
    "font.size": PAPER_FONT_SIZE,
    "axes.titlesize": PAPER_FONT_SIZE,
    "axes.labelsize": PAPER_FONT_SIZE,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


def paper_style() -> AbstractContextManager[None]:
    """Return a context manager that sets sizes of fonts and lines for a column of a paper.

    Examples
    --------
    >>> with stripe.plots.paper_style():
    ...     ax = stripe.plots.stripes(recording)
    """
    # Jupyter's backend becomes interactive when it is first used. Within the context, that would be
    # undone at its end, and the notebook would show no figure any more.
    plt.draw_if_interactive()  # type: ignore[no-untyped-call]
    return mpl.rc_context(_STYLE)


@typed
def save_figure(ax: Axes, *paths: Path | str | BytesIO) -> None:
    """Write the figure of `ax` to each path, and close the figure.

    The suffix of a path determines the format: .png, .pdf or .svg. An entry of `paths` may also be
    a `BytesIO`, which receives a PNG.

    Raises
    ------
    StripeError
        If a suffix is unknown, a file cannot be written, or the figure cannot be drawn.

    Examples
    --------
    >>> stripe.plots.save_figure(stripe.plots.stripes(recording), "stripes.pdf")
    """
    figure: Any = ax.get_figure(root=True)
    try:
        for path in paths:
            if isinstance(path, BytesIO):
                figure.savefig(path, dpi=DPI, format="png")
                continue
            path = Path(path).expanduser()
            check_target(path, FORMATS, "a picture")
            # Without a date in it, the same picture is the same file.
            metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
            with saving(path) as draft:
                try:
                    figure.savefig(draft, dpi=DPI, metadata=metadata)
                except ValueError as error:
                    raise StripeError(f"cannot draw the picture {path}: {error}") from error
    finally:
        plt.close(figure)
