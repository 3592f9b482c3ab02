"""The average Grad-CAM map of a network (Figure 4)."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from stripe.plots.axes import axes_or_new, name_above
from stripe.plots.literal import literal
from stripe.plots.ticks import unit_of
from stripe.typed import typed

#: Label of the colour scale.
SCALE = "mean of maps in [0, 1]"


@runtime_checkable
class HasMeanCam(Protocol):
    """The part of the result of `stripe.mean_cam` that a plot uses."""

    @property
    def mean(self) -> Float[np.ndarray, "h w"]:
        """The mean map."""

    @property
    def mean_image(self) -> Float[np.ndarray, "c h w"]:
        """The mean image."""

    @property
    def central_share(self) -> float:
        """The share of the mean map's mass in the central quarter."""


@typed
def mean_cam(
    data: HasMeanCam,
    *,
    image: bool = True,
    centre: bool = True,
    bar: bool = True,
    heading: str = "",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw an average Grad-CAM map, with or without contours of the mean image.

    Parameters
    ----------
    data
        The result of `stripe.mean_cam`.
    image
        Draw contours of the mean image's brightness (its mean over channels) over the map.
    centre
        Outline the central quarter of the image, and state below the image which share of the map's
        mass lies in that quarter.
    bar
        Draw a colour bar. To draw several maps on one scale, set this to False and give all maps
        the same `vmin` and `vmax`.
    heading
        Text above the picture, such as the name of the run. Default: none.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.imshow` for the map.

    Returns
    -------
    Axes
        `ax`, with the map as its image. A colour bar is beside it unless `bar` is False.

    Notes
    -----
    Compare the share with 25 %, the share of a uniform map. The colour scale is from the smallest
    to the largest value, so a nearly uniform map looks as varied as any other. Set `vmin=0` to
    compare the values with zero.

    References
    ----------
    Section 6 (1), Figure 4.

    Examples
    --------
    >>> ax = stripe.plots.mean_cam(stripe.mean_cam(model, loader, "layer3"), heading="SE, layer3")
    """
    ax = axes_or_new(ax, height=2.6, width=2.75)  # of a square map with its bar
    height, width = data.mean.shape
    drawn = ax.imshow(data.mean, **{"cmap": "viridis", "interpolation": "nearest", **kwargs})
    grey, said = data.mean_image.mean(0), list[str]()
    if image and np.ptp(grey) > 0:
        # A transparent map over an image would have colours that are not in the bar.
        lines: Any = {"colors": "white", "linewidths": 0.5, "linestyles": "solid", "alpha": 0.8}
        ax.contour(grey, levels=5, **lines)
        said = ["lines: mean image"]
    if bar:
        beside = ax.figure.colorbar(drawn, ax=ax, fraction=0.05, pad=0.02).ax
        beside.set_ylabel(SCALE + unit_of(beside.yaxis))
    ax.set(xticks=[], yticks=[])
    if centre:
        corner = (width / 4 - 0.5, height / 4 - 0.5)
        outline = Rectangle(corner, width / 2, height / 2, fill=False, edgecolor="white")
        outline.set(linewidth=0.8, linestyle="--")
        ax.add_patch(outline)
        said.insert(0, f"{100 * data.central_share:.0f} % in the central quarter\n(uniform: 25 %)")
    ax.set_xlabel("\n".join(said))
    name_above(ax, literal(heading))
    return ax
