"""Commands that draw one figure of recordings, of a Grad-CAM map or of pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from stripe.cli.app import (
    Epochs,
    Gate,
    More,
    Names,
    Picture,
    RandomSeed,
    Recorded,
    app,
    keywords_of,
    picture_file,
)
from stripe.cli.options.ranges import Count
from stripe.cli.options.sides import COMPARISON, Comparison, Others, Versus, sides_of
from stripe.errors import DataError, StripeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The data of a figure. It has the option --recording, as in other figures.
Source = Annotated[Path, Parameter(alias="--recording")]

plot_app = App(name="plot", help="Draw a figure of the paper, or another figure of gates.")
app.command(plot_app)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Runs:
    """Names and epochs of the recordings in a figure."""

    names: Names = ()
    epoch: Epochs = ()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Sides(Runs):
    """The gate in a figure, and whether it shows the gate or the features that it multiplies.

    Parameters
    ----------
    side
        Features before the gate (before), the gate itself (after), or both.
    """

    gate: Gate = None
    side: Literal["both", "before", "after"] = "both"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Panels(Sides):
    """The images and channels in a figure of stripes.

    Parameters
    ----------
    n_images
        Number of images, drawn at random.
    channels
        Number of channels, drawn at random.
    image_order
        Order of images.
    channel_order
        Order of channels: random, or ascending by mean or standard deviation (spread).
    scale
        One colour scale per panel (own), or one for all panels (shared).
    """

    n_images: Count = 20
    channels: Count = 60
    image_order: Literal["random", "label", "prediction"] = "random"
    channel_order: Literal["random", "mean", "spread"] = "random"
    scale: Literal["own", "shared"] = "own"
    seed: RandomSeed = 0


Heading = Annotated[
    str | None,
    Parameter(help="Text above the figure. Default: the name of the file, if there is only one."),
]

_RUNS, _SIDES, _PANELS = Runs(), Sides(), Panels()


@plot_app.command(name="stripes")
def plot_stripes(recording: Recorded, *more: More, out: Picture, options: Panels = _PANELS) -> None:
    """Draw images x channels before and after attention (Figure 2a)."""
    classes = classes_of(recording, options)
    draw_runs("stripes", (recording, *more), out, options, classes=classes)


@plot_app.command(name="spatial-attention")
def plot_spatial_attention(
    recording: Recorded,
    *more: More,
    out: Picture,
    options: Runs = _RUNS,
    n_images: Count = 4,
    seed: RandomSeed = 0,
) -> None:
    """Draw the spatial attention maps of a few images in each block (Figure 29).

    Parameters
    ----------
    n_images
        Number of images, drawn at random.
    """
    draw_runs("spatial_attention", (recording, *more), out, options, n_images=n_images, seed=seed)


@plot_app.command(name="gate-spread")
def plot_gate_spread(recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS) -> None:
    """Draw the spread of the channels of each gate over images, by depth."""
    draw_runs("gate_spread", (recording, *more), out, options)


@plot_app.command(name="compare")
def plot_compare(
    recording: Recorded,
    *others: Others,
    versus: Versus = (),
    out: Picture,
    statistic: Literal["eta2", "between_var", "within_var", "median_std"] = "eta2",
    options: Comparison = COMPARISON,
) -> None:
    """Draw a statistic of each gate of two recordings, and the difference.

    Parameters
    ----------
    statistic
        Share of variance between channels (eta2), the variance between or within channels, or the
        median standard deviation.
    """
    draw_runs("compare", sides_of((recording, *others), versus), out, options, statistic=statistic)


@plot_app.command(name="channel-std")
def plot_channel_std(
    recording: Recorded, *more: More, out: Picture, options: Sides = _SIDES
) -> None:
    """Draw the distribution of the spread of channels, before and after attention (Figure 2b)."""
    draw_runs("channel_std", (recording, *more), out, options)


@plot_app.command(name="epoch-difference")
def plot_epoch_difference(
    recording: Recorded,
    *more: More,
    out: Picture,
    names: Names = (),
    gate: Gate = None,
    n_images: Count = 3,
    channels: Count = 20,
    seed: RandomSeed = 0,
) -> None:
    """Draw the change of a gate from epoch to epoch (Figure 2c).

    Parameters
    ----------
    n_images
        Number of images, drawn at random.
    channels
        Number of channels, drawn at random.
    """
    choice = {"gate": gate, "n_images": n_images, "channels": channels, "seed": seed}
    save_plot("epoch_difference", [recording, *more], out, names=names or None, **choice)


@plot_app.command(name="overview")
def plot_overview(
    recording: Recorded, *more: More, out: Picture, options: Panels = _PANELS
) -> None:
    """Draw stripes, spread and difference of one gate together (Figure 2)."""
    classes = classes_of(recording, options)
    draw_runs("overview", (recording, *more), out, options, classes=classes)


@plot_app.command(name="mean-cam")
def plot_mean_cam(
    cam: Source, *, out: Picture, image: bool = True, heading: Heading = None
) -> None:
    """Draw an average Grad-CAM map (Figure 4).

    Parameters
    ----------
    cam
        The .npz file that stripe cam --save wrote.
    image
        Draw contours of the mean image over the map.
    """
    from stripe import MeanCam

    found = MeanCam.load(cam)
    save_plot("mean_cam", found, out, image=image, heading=heading_of(heading, cam))


@plot_app.command(name="style-grid")
def plot_style_grid(folder: Source, *, out: Picture) -> None:
    """Draw pictures in a grid (Figure 5).

    Parameters
    ----------
    folder
        Folder with one folder of pictures per column. The names of the files are the names of the
        rows.
    """
    import numpy as np

    from stripe.data.image_file import ImageReader

    columns = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not columns:
        raise StripeError(f"{folder} must be a folder with a folder of pictures per column")
    files = {
        path.name: sorted(file for file in path.iterdir() if not file.name.startswith("."))
        for path in columns
    }
    rows = {name: [file.stem for file in found] for name, found in files.items()}
    if len({tuple(stems) for stems in rows.values()}) > 1:
        raise StripeError(
            f"the folders of {folder} must hold pictures of the same names, and "
            f"{', '.join(rows)} do not; give the folder 'pictures' of a comparison"
        )
    read = ImageReader()
    pictures = {name: [np.asarray(read(file)) for file in found] for name, found in files.items()}
    save_plot("style_grid", pictures, out, rows=rows[columns[0].name])


def heading_of(heading: str | None, *files: Path) -> str:
    """Return the given heading or, for one file, its name."""
    if heading is not None:
        return heading
    return files[0].stem if len(files) == 1 else ""


def classes_of(recording: Path, options: Panels) -> tuple[str, ...]:
    """Return the names of the classes of sorted images, if the data set is available."""
    if options.image_order == "random":
        return ()
    from stripe.data import recorded_images

    try:
        return recorded_images(recording).classes
    except DataError:
        return ()


def draw_runs(
    name: str, recordings: Sequence[Any], out: Path, options: Runs | Comparison, **more: Any
) -> None:
    """Draw a figure of one recording or several."""
    save_plot(name, list(recordings), out, **keywords_of(options), **more)


def save_plot(name: str, data: Any, out: Path, **options: Any) -> None:
    """Draw a figure in the paper's style, write it, and print its file."""
    from stripe import plots

    picture_file(out)
    draw: Callable[..., Axes] = getattr(plots, name)
    with plots.paper_style():
        plots.save_figure(draw(data, **options), out)
    print(out)
