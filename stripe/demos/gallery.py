"""Draw every figure that needs only the bundled data, each with its provenance."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from stripe import plots
from stripe.defaults import DEMO_EPOCHS
from stripe.demos.demo import demo_config
from stripe.demos.pictures import DATASET, GROUPS, RECORDED, Picture, Trained
from stripe.files import saving
from stripe.select import Selection, select
from stripe.train import train
from stripe.versions import command_line, library_versions

#: The networks that are trained, as `TrainConfig` takes them.
NETWORKS: dict[str, dict[str, Any]] = {
    "bare": {"attention": None},
    "se": {"attention": "se"},
    "cbam": {"attention": "cbam"},
    "asr(se)": {"attention": None, "asr": "se"},
    "asr(cbam)": {"attention": None, "asr": "cbam"},
}


def gallery(
    out: Path,
    work: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    epochs: int = DEMO_EPOCHS,
    pictures: Selection = "all",
) -> list[Path]:
    """Train up to five small networks, and draw every kind of figure of them.

    Parameters
    ----------
    out
        Directory of the figures. Each figure is a PNG file, with a JSON file of its command, seed,
        data and versions.
    work
        A new or empty directory for runs and recordings.
    seed
        Seed of all random numbers.
    device
        As for `TrainConfig`.
    epochs
        Number of epochs of every training.
    pictures
        Names of the pictures, or patterns. Only the networks for these pictures are trained.

    Returns
    -------
    list of Path
        The files of the figures.

    Raises
    ------
    UnknownNameError
        If there is no such picture.
    """
    names = {name: name for group in GROUPS for name in group.names}
    chosen = select(names, pictures, kind="picture", owner="the gallery")
    groups = [group for group in GROUPS if set(chosen) & set(group.names)]
    results = {}
    for name in [n for n in NETWORKS if any(n in group.networks for group in groups)]:
        config = demo_config(out=work / name, seed=seed, device=device, epochs=epochs)
        results[name] = train(replace(config, record=name in RECORDED, **NETWORKS[name]))
    about = {
        "command": command_line(),
        "seed": seed,
        "data": DATASET,
        "epochs": epochs,
        "test_accuracy": {name: result.last for name, result in results.items()},
        "versions": library_versions(),
    }
    drawn = (p for group in groups for p in group.draw(Trained(results, work, seed)))
    return [_draw(picture, out, about) for picture in drawn if picture[0] in chosen]


def _draw(picture: Picture, out: Path, about: dict[str, Any]) -> Path:
    """Write a picture and the JSON file that describes it, and return the picture's path."""
    name, draw, data, options = picture
    with plots.paper_style():
        plots.save_figure(draw(data, **options), out / f"{name}.png")
    described = {"picture": name, "plot": draw.__name__, "options": _told(options), **about}
    with saving(out / f"{name}.json") as draft:
        draft.write_text(json.dumps(described, indent=1, default=str) + "\n")
    return out / f"{name}.png"


def _told(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options without the images, because the data set is named."""
    return {name: value for name, value in options.items() if name != "pictures"}
