"""The `stripe` command. Libraries are imported inside the commands, so that help comes at once."""

import json as jsonlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from stripe.errors import StripeError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import nn

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
Gates = Annotated[str, Parameter(help='"all", a name, or a pattern such as "layer3.*".')]
Epoch = Annotated[int | None, Parameter(help="Epoch; by default the last.")]
Seed = Annotated[int, Parameter(help="Seed of everything random.")]
Picture = Annotated[Path, Parameter(help="The picture to write: .png, .pdf or .svg.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Network:
    """The network that a command is about.

    Parameters
    ----------
    model
        timm:NAME, tv:NAME, module:function, the directory of a training run, or a name for
        stripe.build.
    weights
        A state_dict, as .safetensors or of tensors saved by torch; without it, and without
        --pretrained, the weights are random.
    pretrained
        Fetch the weights that timm or torchvision publish.
    attention
        Attention module, for a name for stripe.build.
    num_classes
        Outputs of the network.
    seed
        Of random weights, and of which images are drawn.
    """

    model: str
    weights: Path | None = None
    pretrained: Annotated[bool, Parameter(negative=())] = False
    attention: str | None = None
    num_classes: int = 1000
    seed: int = 0

    def load_network(self) -> "nn.Module":
        """Return the network, on the CPU."""
        from stripe.experiments.subject import load_network

        if not self.has_weights():
            print("the weights are random: give --weights or --pretrained", file=sys.stderr)
        return load_network(
            self.model,
            weights=self.weights,
            pretrained=self.pretrained,
            num_classes=self.num_classes,
            attention=self.attention,
            seed=self.seed,
        )

    def has_weights(self) -> bool:
        """Tell whether the network has other weights than random ones."""
        from stripe.experiments.subject import has_weights

        return bool(self.weights) or self.pretrained or has_weights(self.model)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Subject(Network):
    """The network and the images that a command is about.

    Parameters
    ----------
    images
        A folder of images or of class folders, or the data set fashion-mini; by default that of a
        training run.
    image_size
        Side of the images; by default what timm says of the network, or 224.
    batch_size
        Images per forward pass.
    limit
        Use at most so many images; by default all, and of an audit 1,000.
    device
        auto, cpu, cuda or cuda:N.
    """

    images: str | None = None
    image_size: int | None = None
    batch_size: int = 64
    limit: int | None = None
    device: str = "auto"

    def load(self) -> "tuple[nn.Module, Iterable[Any], str]":
        """Return the network on its device, a loader of images, and what they are called."""
        from stripe.experiments.subject import dataset_of, load_images
        from stripe.train.device import resolve_device

        for name in ("batch_size", "limit", "image_size"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise StripeError(f"--{name.replace('_', '-')} must be at least 1, got {count}")
        images = self.images or dataset_of(self.model)
        if images is None:
            raise StripeError("--images must name a folder of images or a data set, got nothing")
        network = self.load_network()
        loader = load_images(
            images,
            network,
            image_size=self.image_size,
            batch_size=self.batch_size,
            limit=self.limit,
            seed=self.seed,
        )
        return network.to(resolve_device(self.device)), loader, images


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


@app.command
def record(
    subject: Subject,
    *,
    out: Path,
    epoch: int = 0,
    gates: Gates = "all",
    spatial: Annotated[bool, Parameter(negative=())] = False,
    moments_only: Annotated[bool, Parameter(negative=())] = False,
    json: Json = False,
) -> None:
    """Record the gates of a network over images, one epoch.

    Parameters
    ----------
    out
        A new directory, or a recording of the same gates.
    epoch
        The number of the epoch.
    spatial
        Also record spatial attention maps.
    moments_only
        Keep mean, spread and range of every channel, and no values.
    """
    from stripe import Recorder
    from stripe.hooks.batches import tensors_of

    network, loader, images = subject.load()
    example = tensors_of(next(iter(loader)))[0]
    options = {"spatial": spatial, "values": not moments_only, "gates": gates}
    about = {"name": subject.model, "dataset": images, "seed": subject.seed}
    with Recorder(network, out, example, **options, **about) as recorder:  # type: ignore[arg-type]
        count = recorder.record(loader, epoch)
    if json:
        found = {"epoch": epoch, "images": count, "gates": len(recorder.gates)}
        _print_json({"recording": str(out), **found})
    else:
        print(f"{out}: epoch {epoch}, {count} images, {len(recorder.gates)} gates")
        print(f'open it in Python: stripe.open_recording("{out}")')


@app.command
def audit(
    subject: Subject,
    *,
    out: Path = Path("report.html"),
    threshold: float = 0.99,
    rounds: int = 21,
    json: Json = False,
) -> None:
    """Measure whether a network's attention is a constant, and write an HTML report.

    Parameters
    ----------
    out
        The report.
    threshold
        The least share of predictions that must stay, 0 to 1.
    rounds
        Timed passes with gates and without.
    """
    import stripe

    network, loader, images = subject.load()
    found = stripe.audit(
        network,
        loader,
        out,
        threshold=threshold,
        limit=1000 if subject.limit is None else subject.limit,
        batch_size=subject.batch_size,
        rounds=rounds,
        name=subject.model if subject.has_weights() else f"{subject.model} (random weights)",
        dataset=images,
    )
    if json:
        return _print_json(found.to_json())
    columns = ["gate", "channels", "eta2", "median_std", "relative_spread", "folded"]
    print(found.gates[columns].to_string(index=False, float_format="%.4f"))
    last = found.greedy.iloc[-1]
    print(
        f"\n{len(found.recommended)} of {len(found.gates)} gates freeze with at least "
        f"{100 * threshold:g} % of predictions kept; all {last.frozen} that can be frozen keep "
        f"{100 * last.agreement:.1f} % ({found.images[1]} images)"
    )
    low, high = (100 * share for share in found.attention_share_quartiles)
    print(
        f"attention is {100 * found.attention_share:.0f} % of the time of a forward pass (half of "
        f"{rounds} rounds: {low:.0f} to {high:.0f} %)"
    )
    print(f"report  {out}")
    return None


@app.command
def freeze(
    subject: Network,
    *,
    recording: Path,
    out: Path,
    gates: Gates = "all",
    epoch: Epoch = None,
    fold: bool = True,
    json: Json = False,
) -> None:
    """Replace gates by their recorded means, fold them, and write the weights.

    Beside the weights lies W.frozen.json, by which --weights takes the same gates out again.

    Parameters
    ----------
    recording
        Where the means come from.
    out
        The weights of the frozen network, .safetensors.
    fold
        Fold constants into the layers beside them.
    """
    import stripe
    from stripe.experiments.subject import write_frozen

    network = subject.load_network()
    data = stripe.open_recording(recording)
    frozen = stripe.freeze(network, data, gates=gates, epoch=epoch, fold=fold)
    report, error = vars(frozen)["fold_report"], vars(frozen)["fold_error"]
    taken = report[report["frozen"]]
    channels = {gate.name: gate.channels for gate in data.header.gates}
    recipe = {
        "model": subject.model,
        "recording": str(recording),
        "input_shape": data.header.input_shape,
        "gates": [
            {"gate": row.gate, "folded": bool(row.folded), "channels": channels[row.gate]}
            for row in taken.itertuples()
        ],
    }
    write_frozen(frozen, out, recipe)
    if json:
        return _print_json({"fold_error": error, "gates": report.to_dict("records")})
    print(report.to_string(index=False))
    print(
        f"\n{len(taken)} of {len(report)} gates frozen, {report['folded'].sum()} folded, error "
        f"{error:.1e}: {out}\nuse them with --model {subject.model} --weights {out}"
    )
    return None


@app.command
def cam(
    subject: Subject,
    *,
    layer: str,
    out: Picture,
    target: Annotated[
        str, Parameter(help="predicted, label or the number of a class.")
    ] = "predicted",
    method: str = "GradCAM",
    image: bool = True,
    json: Json = False,
) -> None:
    """Draw the average Grad-CAM map over images (Figure 4).

    Parameters
    ----------
    layer
        Dotted name of the layer, as a rule the last block.
    method
        GradCAM, or any other class of the grad-cam library.
    image
        Lay the map over the mean image.
    """
    from stripe import mean_cam, plots

    network, loader, _ = subject.load()
    if target not in ("predicted", "label") and not target.isdecimal():
        raise StripeError(f"--target is predicted, label or a class number, got {target!r}")
    wanted: Any = int(target) if target.isdecimal() else target
    found = mean_cam(network, loader, layer, target=wanted, method=method)
    with plots.paper_style():
        plots.save_figure(plots.mean_cam(found, image=image), out)
    shares = {"central_share": found.central_share, "uniform_share": found.uniform_share}
    if json:
        return _print_json({"images": found.images, **shares, "out": str(out)})
    print(
        f"{100 * found.central_share:.1f} % of the mean map of {found.images} images lies in the "
        f"central quarter (uniform: 25 %)\n{out}"
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


@plot_app.command(name="spatial-attention")
def plot_spatial_attention(
    recording: Recorded, *, out: Picture, epoch: Epoch = None, images: int = 4, seed: Seed = 0
) -> None:
    """Draw the spatial attention of a few images in every block (Figure 29).

    Parameters
    ----------
    images
        How many, drawn at random.
    """
    _draw("spatial_attention", recording, out, epoch=epoch, images=images, seed=seed)


@plot_app.command(name="gate-spread")
def plot_gate_spread(recording: Recorded, *, out: Picture, epoch: Epoch = None) -> None:
    """Draw how much every gate depends on the image, by depth."""
    _draw("gate_spread", recording, out, epoch=epoch)


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; an error that the user can mend is one line, and exit code 1.

    `arguments` default to those of the process.
    """
    try:
        app(arguments)
    except StripeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of a pipe, as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
