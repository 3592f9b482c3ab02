"""Commands that draw one figure."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from stripe.cli.app import Epoch, Gate, Picture, Recorded, Seed, app, picture_file
from stripe.errors import StripeError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Where the data of a figure is; the name is that of the other figures' option.
Source = Annotated[Path, Parameter(alias="--recording")]

plot_app = App(name="plot", help="Draw a figure of the paper.")
app.command(plot_app)


@plot_app.command(name="stripes")
def plot_stripes(
    recording: Recorded,
    *,
    out: Picture,
    gate: Gate = None,
    epoch: Epoch = None,
    images: int = 20,
    channels: int = 60,
    image_order: Literal["random", "label", "prediction"] = "random",
    channel_order: Literal["random", "mean", "spread"] = "random",
    side: Literal["both", "before", "after"] = "both",
    scale: Literal["own", "shared"] = "own",
    seed: Seed = 0,
) -> None:
    """Draw images x channels before and after attention (Figure 2a).

    Parameters
    ----------
    images, channels
        Number of images and of channels, drawn at random.
    image_order, channel_order
        Order of images and of channels.
    side
        Features before, gate after, or both.
    scale
        Colour scale: own, one per panel, or shared.
    """
    choice = {"images": images, "channels": channels, "side": side, "scale": scale}
    orders = {"image_order": image_order, "channel_order": channel_order, "seed": seed}
    _draw("stripes", recording, out, gate=gate, epoch=epoch, **choice, **orders)


@plot_app.command(name="spatial-attention", alias="spatial_attention")
def plot_spatial_attention(
    recording: Recorded, *, out: Picture, epoch: Epoch = None, images: int = 4, seed: Seed = 0
) -> None:
    """Draw the spatial attention of a few images in every block (Figure 29).

    Parameters
    ----------
    images
        Number of images, drawn at random.
    """
    _draw("spatial_attention", recording, out, epoch=epoch, images=images, seed=seed)


@plot_app.command(name="gate-spread", alias="gate_spread")
def plot_gate_spread(recording: Recorded, *, out: Picture, epoch: Epoch = None) -> None:
    """Draw how much every gate depends on the image, by depth."""
    _draw("gate_spread", recording, out, epoch=epoch)


@plot_app.command(name="channel-std", alias="channel_std")
def plot_channel_std(
    recording: Recorded,
    *,
    out: Picture,
    gate: Gate = None,
    epoch: Epoch = None,
    side: Literal["both", "before", "after"] = "both",
) -> None:
    """Draw the distribution of the spread of channels, before and after attention (Figure 2b).

    Parameters
    ----------
    side
        Features before, gate after, or both.
    """
    _draw("channel_std", recording, out, gate=gate, epoch=epoch, side=side)


@plot_app.command(name="epoch-difference", alias="epoch_difference")
def plot_epoch_difference(
    recording: Recorded,
    *,
    out: Picture,
    gate: Gate = None,
    images: int = 3,
    channels: int = 20,
    seed: Seed = 0,
) -> None:
    """Draw how far the gate moves from epoch to epoch (Figure 2c).

    Parameters
    ----------
    images, channels
        Number of images and of channels, drawn at random.
    """
    _draw(
        "epoch_difference", recording, out, gate=gate, images=images, channels=channels, seed=seed
    )


@plot_app.command(name="overview")
def plot_overview(
    recording: Recorded,
    *,
    out: Picture,
    gate: Gate = None,
    epoch: Epoch = None,
    images: int = 20,
    channels: int = 60,
    image_order: Literal["random", "label", "prediction"] = "random",
    channel_order: Literal["random", "mean", "spread"] = "random",
    side: Literal["both", "before", "after"] = "both",
    scale: Literal["own", "shared"] = "own",
    seed: Seed = 0,
) -> None:
    """Draw stripes, spread and difference of one gate together (Figure 2).

    Parameters
    ----------
    images, channels
        Number of images and of channels, drawn at random.
    image_order, channel_order
        Order of images and of channels.
    side
        Features before, gate after, or both.
    scale
        Colour scale: own, one per panel, or shared.
    """
    choice = {"images": images, "channels": channels, "side": side, "scale": scale}
    orders = {"image_order": image_order, "channel_order": channel_order, "seed": seed}
    _draw("overview", recording, out, gate=gate, epoch=epoch, **choice, **orders)


@plot_app.command(name="mean-cam", alias="mean_cam")
def plot_mean_cam(cam: Source, *, out: Picture, image: bool = True) -> None:
    """Draw an average Grad-CAM map (Figure 4).

    Parameters
    ----------
    cam
        The .npz that `stripe cam --save` wrote.
    image
        Lay the map over the mean image.
    """
    from stripe import MeanCam

    _save("mean_cam", MeanCam.load(cam), out, image=image)


@plot_app.command(name="tradeoff")
def plot_tradeoff(table: Source, *, out: Picture) -> None:
    """Draw accuracy, speed and size of networks (Figure 3).

    Parameters
    ----------
    table
        A CSV file with the columns network, accuracy, images_per_s and parameters.
    """
    _save("tradeoff", _csv(table), out)


@plot_app.command(name="noise-robustness", alias="noise_robustness")
def plot_noise_robustness(table: Source, *tables: Path, out: Picture) -> None:
    """Draw the accuracy of networks under noise (Table 8).

    Parameters
    ----------
    table, tables
        CSV files with the columns network, noise and accuracy, as `stripe noise --out` writes them.
    """
    import pandas as pd

    _save("noise_robustness", pd.concat([_csv(file) for file in (table, *tables)]), out)


@plot_app.command(name="noise-bound", alias="noise_bound")
def plot_noise_bound(table: Source, *tables: Path, out: Picture) -> None:
    """Draw the bound of Theorem 6.1 and the measured growth, by depth.

    Parameters
    ----------
    table, tables
        CSV files that `stripe bound --out` wrote; their names tell the networks apart.
    """
    found = {file.stem: _csv(file) for file in (table, *tables)}
    _save("noise_bound", found if tables else _csv(table), out)


@plot_app.command(name="batch-sensitivity", alias="batch_sensitivity")
def plot_batch_sensitivity(table: Source, *, out: Picture) -> None:
    """Draw how much batch mates change an image's output, by batch size.

    Parameters
    ----------
    table
        The dial.csv of `stripe style compare`.
    """
    _save("batch_sensitivity", _csv(table), out)


@plot_app.command(name="style-grid", alias="style_grid")
def plot_style_grid(folder: Source, *, out: Picture) -> None:
    """Draw pictures in a grid (Figure 5).

    Parameters
    ----------
    folder
        Folder that holds one folder of pictures per column; the files' names are the rows.
    """
    from matplotlib.image import imread

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
    try:
        pictures = {name: [imread(file) for file in found] for name, found in files.items()}
    except (OSError, ValueError, SyntaxError) as error:
        raise StripeError(f"{folder} holds something that is no picture: {error}") from error
    _save("style_grid", pictures, out, rows=rows[columns[0].name])


def _draw(name: str, recording: Path, out: Path, **options: Any) -> None:
    from stripe import open_recording

    _save(name, open_recording(recording), out, **options)


def _save(name: str, data: Any, out: Path, **options: Any) -> None:
    from stripe import plots

    picture_file(out)
    draw: Callable[..., Axes] = getattr(plots, name)
    with plots.paper_style():
        plots.save_figure(draw(data, **options), out)
    print(out)


def _csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise StripeError(f"{path} cannot be read as a table: {error}") from error
