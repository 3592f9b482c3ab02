"""A plot as a picture inside a page, without a window."""

from collections.abc import Callable
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stripe import html


def inline_picture(draw: Callable[[Axes], Axes], alt: str, *, height: float = 2.4) -> str:
    """Return a plot, drawn by `draw`, as an image in HTML, `height` inches high.

    pyplot does not know the figure, so nothing is left open.
    """
    figure = Figure(figsize=(5, height), layout="constrained")
    draw(figure.add_subplot())
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return html.image(buffer.getvalue(), alt)
