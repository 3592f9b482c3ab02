"""The `stripe` command. Libraries are imported inside the commands, so that help comes at once."""

import json as jsonlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from stripe.errors import StripeError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from stripe.experiments.demo import DemoResult

app = App(
    name="stripe",
    help="Is channel attention really input-dependent? Record gates, look, train them away.",
    version=lambda: version("stripe-attention"),
)
plot_app = App(name="plot", help="Draw a figure of the paper from a recording.")
stats_app = App(name="stats", help="Print numbers from a recording.")
app.command(plot_app)
app.command(stats_app)
bench_app = App(name="bench", help="Measure speed, side by side in one run.")
app.command(bench_app)

Json = Annotated[bool, Parameter(negative=(), help="Print JSON instead of a table.")]
Recorded = Annotated[Path, Parameter(help="Directory of the recording.")]
Gate = Annotated[str | None, Parameter(help="Name of the gate; by default the deepest.")]
Epoch = Annotated[int | None, Parameter(help="Epoch; by default the last.")]
Seed = Annotated[int, Parameter(help="Seed of everything random.")]
Picture = Annotated[Path, Parameter(help="The picture to write: .png, .pdf or .svg.")]


@app.command
def demo(
    *,
    out: Path | None = None,
    epochs: int | None = None,
    seed: Seed = 0,
    device: str = "auto",
    json: Json = False,
) -> None:
    """Train an SE-ResNet20 on embedded images, record its gates, and draw Figure 2 of the paper.

    Parameters
    ----------
    out
        A new or empty directory for the run and its figures. By default the run goes to runs/demo
        and the figures to figures/demo, or to demo-2 and so on where the run is there already.
    epochs
        Passes over the 7,000 training images; by default 7.
    device
        auto, cpu, cuda or cuda:N.
    """
    from stripe.experiments.demo import EPOCHS, demo_config, run_demo

    epochs = EPOCHS if epochs is None else epochs
    run = _next_free(Path("runs/demo")) if out is None else out
    figures = Path("figures") / run.name if out is None else out / "figures"
    config = demo_config(out=run, seed=seed, device=device, epochs=epochs)
    print(f"training for {epochs} epochs, 10 to 15 s each on two CPU cores ...", file=sys.stderr)
    try:
        result = run_demo(config, figures)
    except KeyboardInterrupt:
        print(f"\ninterrupted; finished epochs, if any, are in {run}/recording", file=sys.stderr)
        sys.exit(130)
    _tell(result, run, json)


def _tell(found: "DemoResult", run: Path, json: bool) -> None:
    eta2 = float(found.index["eta2"].mean())
    result = found.result
    if json:
        accuracy = {"best": result.best, "last": result.last, "last_ten_mean": result.last_ten}
        paths = {"run": str(run), "figures": [str(file) for file in found.figures]}
        gates = found.index.to_dict("records")
        _print_json({"test_accuracy": accuracy, "mean_eta2": eta2, "gates": gates, **paths})
        return
    print("\nStripe index after training (eta2 = 1: a perfect stripe; 0: the image decides)\n")
    print(found.index.drop(columns="epoch").to_string(index=False, float_format="%.4f"))
    print(f"\nmean eta2 over gates   {eta2:.4f}")
    print(
        f"test accuracy          last {result.last:.4f}, best {result.best:.4f}, "
        f"mean of the last {min(10, len(result.history))} epochs {result.last_ten:.4f}"
    )
    print(f"\nfigures                {', '.join(str(file) for file in found.figures)}")
    print(f"run, log and gates     {run}\n\nOpen the gates in Python:\n")
    print("    import stripe")
    print(f"    recording = stripe.open_recording({str(found.recording)!r})")
    print('    stripe.plots.stripes(recording).figure.savefig("stripes.png")')


@app.command
def verify(recording: Recorded, *, json: Json = False) -> None:
    """Check every file of a recording against the SHA-256 that was logged when it was written."""
    from stripe.recording import open_recording

    table = open_recording(recording).verify()
    if json:
        return _print_table(table, json)
    print(
        f"{recording}: {table['epoch'].nunique()} epochs, {len(table)} files, "
        f"{table['rows'].sum()} rows, {table['bytes'].sum():,} bytes, all whole"
    )
    return None


@stats_app.command
def index(recording: Recorded, *, json: Json = False) -> None:
    """Print the stripe index of every gate in every epoch."""
    from stripe import open_recording, stats

    _print_table(stats.stripe_index(open_recording(recording)), json)


@stats_app.command
def moments(recording: Recorded, *, epoch: Epoch = None, json: Json = False) -> None:
    """Print mean, standard deviation and range of every channel."""
    from stripe import open_recording, stats

    opened = open_recording(recording)
    _print_table(stats.channel_moments(opened, None if epoch is None else [epoch]), json)


@stats_app.command
def convergence(recording: Recorded, *, tol: float = 0.01, json: Json = False) -> None:
    """Print the first epoch after which each channel stays still.

    Parameters
    ----------
    tol
        A step |v(t + 1) - v(t)| of every image under it counts as still.
    """
    from stripe import open_recording, stats

    _print_table(stats.convergence_epoch(open_recording(recording), tol), json)


@bench_app.command
def fps(
    *,
    backbone: str = "resnet164",
    attention: tuple[str, ...] = ("ie", "srm", "cbam", "se", "dia", "spa"),
    image_size: int = 32,
    num_classes: int = 100,
    batch_size: int = 32,
    rounds: int = 15,
    device: str = "auto",
    seed: Seed = 0,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Measure a network bare, with attention, and with ASR folded (Table 1, Figure 3).

    Parameters
    ----------
    backbone, attention
        The network, and the attention modules: --attention se --attention eca.
    image_size, num_classes, batch_size
        Side of the images, outputs of the network, images per forward pass.
    rounds
        How often each network runs, in turns; medians count.
    device
        auto, cpu, cuda or cuda:N.
    out
        A CSV file for the table.
    """
    from stripe.experiments.fps import fps_table
    from stripe.train.device import resolve_device

    if out is not None and out.exists():
        raise StripeError(f"{out} is there already; choose another --out")
    table = fps_table(
        backbone,
        attentions=attention,
        num_classes=num_classes,
        image_size=image_size,
        batch_size=batch_size,
        rounds=rounds,
        device=resolve_device(device),
        seed=seed,
    )
    _print_table(table, json)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(out, index=False)


@plot_app.command(name="stripes")
def plot_stripes(
    recording: Recorded,
    *,
    out: Picture,
    gate: Gate = None,
    epoch: Epoch = None,
    images: int = 20,
    channels: int = 60,
    side: Literal["both", "before", "after"] = "both",
    seed: Seed = 0,
) -> None:
    """Draw images x channels before and after attention (Figure 2a).

    Parameters
    ----------
    images, channels
        How many, drawn at random.
    side
        Features before, gate after, or both.
    """
    options = {"gate": gate, "epoch": epoch, "images": images, "channels": channels}
    _draw("stripes", recording, out, **options, side=side, seed=seed)


@plot_app.command(name="channel-std")
def plot_channel_std(
    recording: Recorded, *, out: Picture, gate: Gate = None, epoch: Epoch = None
) -> None:
    """Draw the distribution of the spread of channels, before and after attention (Figure 2b)."""
    _draw("channel_std", recording, out, gate=gate, epoch=epoch)


@plot_app.command(name="epoch-difference")
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
        How many, drawn at random.
    """
    _draw(
        "epoch_difference", recording, out, gate=gate, images=images, channels=channels, seed=seed
    )


def _draw(name: str, recording: Path, out: Path, **options: Any) -> None:
    from stripe import open_recording, plots

    draw: Callable[..., Axes] = getattr(plots, name)
    with plots.paper_style():
        plots.save_figure(draw(open_recording(recording), **options), out)
    print(out)


def _next_free(path: Path) -> Path:
    """Return `path`, or the first of `path`-2, `path`-3 and so on that does not exist."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in count(2))
    return path if not path.exists() else next(p for p in numbered if not p.exists())


def _print_table(table: "pd.DataFrame", json: bool) -> None:
    if json:
        print(table.to_json(orient="records", indent=1))
    else:
        print(table.to_string(index=False, float_format="%.6g"))


def _print_json(value: Any) -> None:
    print(jsonlib.dumps(value, indent=1))


def main() -> None:
    """Run the command; an error that the user can mend is one line, and exit code 1."""
    try:
        app()
    except StripeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of a pipe, as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
