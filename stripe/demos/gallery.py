"""Draw every figure that needs only the embedded data, each with its provenance."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from stripe import plots
from stripe.audit.audit import audit
from stripe.data import DeviceLoader, load_dataset
from stripe.demos.demo import demo_config
from stripe.demos.fps import fps_table
from stripe.files import saving
from stripe.gradcam import mean_cam
from stripe.hooks import record
from stripe.recording import open_recording
from stripe.robustness import attack, noise_bound
from stripe.train import TrainResult, train
from stripe.versions import command_line, library_versions

EPOCHS = 3
DATASET = "fashion-mini"

#: The networks that are trained, as `TrainConfig` takes them.
NETWORKS: dict[str, dict[str, Any]] = {
    "bare": {"attention": None},
    "se": {"attention": "se"},
    "cbam": {"attention": "cbam"},
    "asr(se)": {"attention": None, "asr": "se"},
    "asr(cbam)": {"attention": None, "asr": "cbam"},
}
#: Networks whose gates are recorded and compared.
RECORDED = ("se", "asr(se)")
#: Networks that are attacked and bounded.
COMPARED = ("bare", "se", "asr(se)")
NOISES = ("constant:0.8,0.2", "constant:0.5,0.2", "random:0.1,0.1", "random:0.2,0.2")

Picture = tuple[str, Callable[..., Axes], Any, dict[str, Any]]


def gallery(
    out: Path, work: Path, *, seed: int = 0, device: str = "auto", epochs: int = EPOCHS
) -> list[Path]:
    """Train five small networks and draw every kind of figure of them.

    Parameters
    ----------
    out
        Directory of the figures. Each is a PNG, with a JSON of its command, seed, data and
        versions.
    work
        A new or empty directory for runs and recordings.
    seed
        Seed of all random numbers.
    device
        As for `TrainConfig`.
    epochs
        Number of epochs of every training.

    Returns
    -------
    list of Path
        The files of the figures.
    """
    results = {}
    for name, modules in NETWORKS.items():
        config = demo_config(out=work / name, seed=seed, device=device, epochs=epochs)
        results[name] = train(replace(config, record=name in RECORDED, **modules))
    about = {
        "command": command_line(),
        "seed": seed,
        "data": DATASET,
        "epochs": epochs,
        "test_accuracy": {name: result.last for name, result in results.items()},
        "versions": library_versions(),
    }
    files = []
    for name, draw, data, options in _pictures(results, work, seed):
        with plots.paper_style():
            plots.save_figure(draw(data, **options), out / f"{name}.png")
        drawn = {"picture": name, "plot": draw.__name__, "options": _told(options), **about}
        with saving(out / f"{name}.json") as draft:
            draft.write_text(json.dumps(drawn, indent=1, default=str) + "\n")
        files.append(out / f"{name}.png")
    return files


def _told(options: dict[str, Any]) -> dict[str, Any]:
    """Leave the images themselves out: the data set is named."""
    return {name: value for name, value in options.items() if name != "pictures"}


def _pictures(results: dict[str, TrainResult], work: Path, seed: int) -> Iterator[Picture]:
    """Yield name, plot, data and options of every picture."""
    assert results["se"].recording is not None
    gates = open_recording(results["se"].recording)
    yield "stripes", plots.stripes, gates, {"seed": seed}
    held_out = load_dataset(DATASET, "test")
    ordered = {"side": "after", "image_order": "label", "channel_order": "spread", "n_images": 100}
    named = {"classes": held_out.classes, "seed": seed}
    yield "stripes_ordered", plots.stripes, gates, {**ordered, **named}
    yield "channel_std", plots.channel_std, gates, {}
    yield "epoch_difference", plots.epoch_difference, gates, {"seed": seed}
    yield "overview", plots.overview, gates, {"seed": seed}
    yield "gate_spread", plots.gate_spread, gates, {}
    runs = [open_recording(work / name / "recording") for name in RECORDED]
    yield "compare", plots.compare, runs, {"names": ["SE", "ASR(SE)"]}
    options = {"names": ["SE", "ASR(SE)"], "side": "after", "seed": seed}
    yield "stripes_compared", plots.stripes, runs, options

    model = results["se"].model
    device = next(model.parameters()).device
    pictures = held_out.images[:, 0].cpu().numpy()
    test = DeviceLoader(held_out, 250, device=device)
    record(results["cbam"].model, test, work / "spatial", spatial=True)
    yield (
        "spatial_attention",
        plots.spatial_attention,
        open_recording(work / "spatial"),
        {"seed": seed, "pictures": pictures},
    )
    after = f"epoch {len(results['se'].history)}"
    cam = mean_cam(model, test, "layer3.1")
    heading = {"heading": f"SE-ResNet20, layer3.1, {after}"}
    yield "mean_cam", plots.mean_cam, cam, heading
    yield "mean_cam_alone", plots.mean_cam, cam, {"image": False, **heading}

    speed = fps_table("resnet20", attentions=("se", "cbam"), num_classes=10, seed=seed)
    accuracy = {name: result.last for name, result in results.items()}
    plain = speed["network"].str.removesuffix(" folded")
    table = speed.assign(accuracy=plain.map(accuracy))
    heading = {"heading": f"ResNet20, {DATASET}, {after}"}
    yield "tradeoff", plots.tradeoff, table, {"n_images": len(held_out), **heading}

    compared = {name: results[name].model for name in COMPARED}
    tables = [
        attack(network, test, NOISES, seeds=[seed, seed + 1, seed + 2]).assign(network=name)
        for name, network in compared.items()
    ]
    yield "noise_robustness", plots.noise_robustness, pd.concat(tables), heading
    images, _ = next(iter(test))
    bounds = {name: noise_bound(network, images[:32]) for name, network in compared.items()}
    yield "noise_bound", plots.noise_bound, bounds, heading
    report = audit(model, test, work / "audit.html", limit=1000, curve=True, rounds=5)
    heading = {"heading": f"SE-ResNet20, {DATASET}, {after}"}
    yield "freezing", plots.freezing, report.greedy, {"threshold": 0.99, **heading}
