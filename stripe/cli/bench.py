"""`stripe bench`: measure speed."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from stripe.cli.app import Json, RandomSeed, app, print_table, save_table, table_file
from stripe.cli.options.ranges import Count

bench_app = App(name="bench", help="Measure and compare the speed of networks.")
app.command(bench_app)


@bench_app.command
def fps(
    *,
    backbone: str = "resnet164",
    attention: Annotated[tuple[str, ...], Parameter(consume_multiple=1, negative=())] = (
        "ie",
        "srm",
        "cbam",
        "se",
        "dia",
        "spa",
    ),
    image_size: Count = 32,
    num_classes: Count = 100,
    batch_size: Count = 32,
    rounds: Count = 15,
    device: str = "auto",
    seed: RandomSeed = 0,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Measure the speed of a network without attention, with attention, and with folded ASR.

    parameters and flops (of one image) are counts. images_per_s is the speed. ratio is the speed
    relative to the network without attention, which is timed again with every other network. The
    ratio of the network without attention to itself therefore shows the noise of the measurement.

    Parameters
    ----------
    backbone
        Name of the network, as in stripe.list_backbones().
    attention
        Names of attention modules.
    image_size
        Height and width of the images, in pixels.
    num_classes
        Number of outputs of the network.
    batch_size
        Number of images per forward pass.
    rounds
        Number of timed passes of each network. The networks run alternately, and the medians are
        printed.
    device
        Device: auto, cpu, cuda or cuda:N.
    out
        CSV file for the table.
    """
    from stripe.demos.fps import fps_table
    from stripe.train.device import resolve_device

    table_file(out)
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
    print_table(table, json)
    save_table(table, out)
