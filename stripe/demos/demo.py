"""The demo: train, record and draw the Stripe Observation."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from stripe import plots
from stripe.defaults import DEMO_EPOCHS
from stripe.files import saving
from stripe.recording import open_recording
from stripe.stats import stripe_index
from stripe.train import TrainConfig, TrainResult, train
from stripe.versions import command_line, library_versions


@dataclass(frozen=True)
class DemoResult:
    """Results of the demo and their directories.

    Parameters
    ----------
    result
        Result of the training run.
    index
        The stripe index of every gate after the last epoch.
    recording, figures
        Directories of the recorded gates and of the figures.
    """

    result: TrainResult
    index: pd.DataFrame
    recording: Path
    figures: list[Path]


def demo_config(*, out: Path, seed: int, device: str, epochs: int = DEMO_EPOCHS) -> TrainConfig:
    """Return the settings of the demo: an SE-ResNet20 on the bundled data."""
    return TrainConfig(
        backbone="resnet20",
        attention="se",
        dataset="fashion-mini",
        epochs=epochs,
        batch_size=32,
        weight_decay=5e-4,
        schedule="cosine",
        padding=2,
        seed=seed,
        device=device,
        record=True,
        out=out,
    )


def run_demo(config: TrainConfig, figures: Path) -> DemoResult:
    """Train, record the gates at every epoch, and draw Figure 2 of the paper into `figures`."""
    result = train(config)
    assert result.recording is not None
    recording = open_recording(result.recording)
    index = stripe_index(recording)
    index = index[index["epoch"] == recording.epochs[-1]].reset_index(drop=True)
    with plots.paper_style():
        drawn = {
            "stripes": plots.stripes(recording, seed=config.seed),
            "channel_std": plots.channel_std(recording),
            "epoch_difference": plots.epoch_difference(recording, seed=config.seed),
        }
        files = []
        for name, ax in drawn.items():
            pair = [figures / f"{name}.png", figures / f"{name}.pdf"]
            plots.save_figure(ax, *pair)
            files += pair
    sidecar = {
        "command": command_line(),
        "gate": recording.header.channel_gates[-1].name,
        "test_accuracy": result.last,
        "stripe_index": index.to_dict("records"),
        "config": asdict(config),
        "versions": library_versions(),
    }
    with saving(figures / "demo.json") as draft:
        draft.write_text(json.dumps(sidecar, indent=1, default=str) + "\n")
    return DemoResult(result, index, recording.path, files)
