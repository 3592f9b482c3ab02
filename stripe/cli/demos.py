"""Commands that train on the bundled data: demo and gallery."""

import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stripe.cli.app import Json, RandomSeed, Several, app, print_json
from stripe.cli.interrupted import interruptible
from stripe.cli.options.ranges import Count
from stripe.defaults import DEMO_EPOCHS

if TYPE_CHECKING:
    from stripe.demos.demo import DemoResult

#: The run of the demo, which git ignores.
DEMO_RUN = Path("runs/demo")


@app.command
def demo(
    *,
    out: Path | None = None,
    epochs: Count = DEMO_EPOCHS,
    seed: RandomSeed = 0,
    device: str = "auto",
    json: Json = False,
) -> None:
    """Train an SE-ResNet20 on bundled images, record its gates, and draw Figure 2 of the paper.

    Parameters
    ----------
    out
        New or empty directory for the run and its figures. Default: runs/demo or, if that exists,
        runs/demo-2 and so on.
    epochs
        Number of passes over the 7,000 training images.
    device
        Device: auto, cpu, cuda or cuda:N.
    """
    from stripe.demos.demo import demo_config, run_demo

    run = _next_free(DEMO_RUN) if out is None else out
    config = demo_config(out=run, seed=seed, device=device, epochs=epochs)
    print(f"training for {epochs} epochs, 10 to 15 s each on two CPU cores ...", file=sys.stderr)
    with interruptible(lambda: f"finished epochs, if any, are in {run}/recording"):
        result = run_demo(config, run / "figures")
    _print_result(result, run, json)


def _print_result(found: "DemoResult", run: Path, json: bool) -> None:
    eta2 = float(found.index["eta2"].mean())
    result = found.result
    if json:
        accuracy = {"best": result.best, "last": result.last, "last_ten_mean": result.last_ten}
        paths = {"run": str(run), "figures": [str(file) for file in found.figures]}
        gates = found.index.to_dict("records")
        print_json({"test_accuracy": accuracy, "mean_eta2": eta2, "gates": gates, **paths})
        return
    print("\nStripe index after training (eta2 = 1: a perfect stripe; 0: equal channel means)\n")
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
def gallery(
    *,
    out: Path = Path("figures/gallery"),
    seed: RandomSeed = 0,
    epochs: Count = DEMO_EPOCHS,
    pictures: Several = (),
    device: str = "auto",
    json: Json = False,
) -> None:
    """Draw all figures that need only the bundled data, and write the settings of each.

    Parameters
    ----------
    out
        Directory for the figures. Existing files are replaced.
    epochs
        Number of passes over the training images, for each of five networks.
    pictures
        Names of pictures, or patterns. Only the networks for these pictures are trained. Default:
        all.
    device
        Device: auto, cpu, cuda or cuda:N.
    """
    from tempfile import TemporaryDirectory

    from stripe.demos.gallery import gallery as draw

    print("training up to five networks, 15 s an epoch on two CPU cores ...", file=sys.stderr)
    options: Any = {"seed": seed, "device": device, "epochs": epochs, "pictures": pictures or "all"}
    with TemporaryDirectory() as work:
        files = [str(file) for file in draw(out, Path(work), **options)]
    if json:
        print_json({"figures": files})
    else:
        print("\n".join(files))


def _next_free(path: Path) -> Path:
    """Return `path`, or the first of `path`-2, `path`-3 and so on that does not exist."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in count(2))
    return path if not path.exists() else next(p for p in numbered if not p.exists())
