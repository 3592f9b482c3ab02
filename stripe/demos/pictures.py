"""The pictures of the gallery, and the networks that each picture needs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import nn

from stripe import plots
from stripe.audit.audit import audit
from stripe.data import DeviceLoader, load_dataset
from stripe.demos.fps import fps_table
from stripe.gradcam import mean_cam
from stripe.hooks import record
from stripe.intervene.ablate import ablate
from stripe.intervene.sensitivity import sensitivity
from stripe.recording import Recording, open_recording
from stripe.robustness import attack, noise_bound
from stripe.train import TrainResult

DATASET = "fashion-mini"
#: Networks whose gates are recorded and compared.
RECORDED = ("se", "asr(se)")
#: Networks that are attacked and bounded.
COMPARED = ("bare", "se", "asr(se)")
NOISES = ("constant:0.8,0.2", "constant:0.5,0.2", "random:0.1,0.1", "random:0.2,0.2")
#: Interventions on gates, and the number of images on which they are measured.
REPLACED, OTHERS = ("mean", "shuffle", "one"), 500

#: Name, plot, data and options of a picture.
Picture = tuple[str, Callable[..., Axes], Any, dict[str, Any]]


class Trained(NamedTuple):
    """Trained networks by name, the directory of their runs, and the seed of the gallery."""

    results: dict[str, TrainResult]
    work: Path
    seed: int

    def model(self, name: str) -> nn.Module:
        """Return a network."""
        return self.results[name].model

    def gates(self, name: str = "se") -> Recording:
        """Return the recording of a network."""
        return open_recording(self.work / name / "recording")

    def heading(self, what: str) -> dict[str, str]:
        """Return the heading of a picture: its subject and the epoch."""
        epochs = len(next(iter(self.results.values())).history)
        return {"heading": f"{what}, epoch {epochs}"}

    def loader(self, images: Any = None) -> DeviceLoader:
        """Return batches of images, on the device of the networks. Default: all test images."""
        first = next(iter(self.results.values())).model
        data = load_dataset(DATASET, "test") if images is None else images
        return DeviceLoader(data, 250, device=next(first.parameters()).device)


def as_in_paper(name: str) -> str:
    """Return the paper's name of a network, such as "ASR(SE) folded" for "asr(se) folded"."""
    return name if name == "bare" else name.upper().replace("FOLDED", "folded")


class Group(NamedTuple):
    """Pictures that are drawn together, and the networks that they need."""

    names: tuple[str, ...]
    networks: tuple[str, ...]
    draw: Callable[[Trained], Iterator[Picture]]


def _gates(trained: Trained) -> Iterator[Picture]:
    gates, seed = trained.gates(), trained.seed
    called: dict[str, Any] = {"names": ["SE"]}
    yield "stripes", plots.stripes, gates, {"seed": seed, **called}
    ordered = {"side": "after", "image_order": "label", "channel_order": "spread", "n_images": 100}
    named = {"classes": load_dataset(DATASET, "test").classes, "seed": seed}
    yield "stripes_ordered", plots.stripes, gates, {**ordered, **named, **called}
    yield "channel_std", plots.channel_std, gates, called
    yield "epoch_difference", plots.epoch_difference, gates, {"seed": seed, **called}
    yield "overview", plots.overview, gates, {"seed": seed, **called}
    yield "gate_spread", plots.gate_spread, gates, called


def _statistics(trained: Trained) -> Iterator[Picture]:
    gates, called = trained.gates(), {"names": ["SE"]}
    yield "variance_components", plots.variance_components, gates, called
    yield "effective_rank", plots.effective_rank, gates, called
    yield "saturation", plots.saturation, gates, {"low": 0.45, "high": 0.55, **called}
    yield "class_information", plots.class_information, gates, called
    yield "epoch_similarity", plots.epoch_similarity, gates, called
    yield "gate_similarity", plots.gate_similarity, gates, called


def _runs(trained: Trained) -> Iterator[Picture]:
    runs = [trained.gates(name) for name in RECORDED]
    yield "compare", plots.compare, runs, {"names": ["SE", "ASR(SE)"]}
    options = {"names": ["SE", "ASR(SE)"], "side": "after", "scale": "shared"}
    yield "stripes_compared", plots.stripes, runs, {**options, "seed": trained.seed}


def _spatial(trained: Trained) -> Iterator[Picture]:
    pictures = load_dataset(DATASET, "test").images[:, 0].cpu().numpy()
    maps = trained.work / "spatial"
    epoch = len(trained.results["cbam"].history)
    record(trained.model("cbam"), trained.loader(), maps, epoch=epoch, spatial=True)
    options = {"seed": trained.seed, "pictures": pictures, "names": ["CBAM"]}
    yield "spatial_attention", plots.spatial_attention, open_recording(maps), options


def _cams(trained: Trained) -> Iterator[Picture]:
    cam = mean_cam(trained.model("se"), trained.loader(), "layer3.1")
    heading = trained.heading("SE-ResNet20, layer3.1")
    yield "mean_cam", plots.mean_cam, cam, heading
    yield "mean_cam_alone", plots.mean_cam, cam, {"image": False, **heading}


def _speed(trained: Trained) -> Iterator[Picture]:
    speed = fps_table("resnet20", attentions=("se", "cbam"), num_classes=10, seed=trained.seed)
    accuracy = {name: result.last for name, result in trained.results.items()}
    plain = speed["network"].str.removesuffix(" folded")
    table = speed.assign(accuracy=plain.map(accuracy), network=speed["network"].map(as_in_paper))
    heading = trained.heading(f"ResNet20, {DATASET}")
    n_images = len(load_dataset(DATASET, "test"))
    yield "tradeoff", plots.tradeoff, table, {"n_images": n_images, **heading}


def _noise(trained: Trained) -> Iterator[Picture]:
    compared, test = {name: trained.model(name) for name in COMPARED}, trained.loader()
    seeds = [trained.seed + more for more in range(3)]
    tables = [
        attack(network, test, NOISES, seeds=seeds).assign(network=as_in_paper(name))
        for name, network in compared.items()
    ]
    heading = trained.heading(f"ResNet20, {DATASET}")
    yield "noise_robustness", plots.noise_robustness, pd.concat(tables), heading
    images, _ = next(iter(test))
    bounds = {as_in_paper(name): noise_bound(net, images[:32]) for name, net in compared.items()}
    yield "noise_bound", plots.noise_bound, bounds, heading


def _costs(trained: Trained) -> Iterator[Picture]:
    model, gates, held_out = trained.model("se"), trained.gates(), load_dataset(DATASET, "test")
    others = np.setdiff1d(np.arange(len(held_out)), gates.images["image"])[:OTHERS]
    unseen = trained.loader(held_out.take(torch.as_tensor(others)))
    yield "ablation", plots.ablation, ablate(model, unseen, gates, REPLACED), {"measure": "kl"}
    yield "sensitivity", plots.sensitivity, sensitivity(model, unseen, gates).gates, {}


def _freezing(trained: Trained) -> Iterator[Picture]:
    options: dict[str, Any] = {"limit": 1000, "curve": True, "rounds": 5}
    report = audit(trained.model("se"), trained.loader(), trained.work / "audit.html", **options)
    heading = trained.heading(f"SE-ResNet20, {DATASET}")
    yield "freezing", plots.freezing, report.greedy, {"threshold": 0.99, **heading}


GROUPS = (
    Group(
        ("stripes", "stripes_ordered", "channel_std", "epoch_difference", "overview",
         "gate_spread"), ("se",), _gates,
    ),
    Group(
        ("variance_components", "effective_rank", "saturation", "class_information",
         "epoch_similarity", "gate_similarity"), ("se",), _statistics,
    ),
    Group(("compare", "stripes_compared"), RECORDED, _runs),
    Group(("spatial_attention",), ("cbam",), _spatial),
    Group(("mean_cam", "mean_cam_alone"), ("se",), _cams),
    Group(("tradeoff",), ("bare", "se", "cbam", "asr(se)", "asr(cbam)"), _speed),
    Group(("noise_robustness", "noise_bound"), COMPARED, _noise),
    Group(("ablation", "sensitivity"), ("se",), _costs),
    Group(("freezing",), ("se",), _freezing),
)  # fmt: skip
