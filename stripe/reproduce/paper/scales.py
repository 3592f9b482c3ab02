"""At which size an exhibit is reproduced: the paper's, or what a machine at hand can train."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stripe.errors import UnknownNameError
from stripe.reproduce.paper.cells import Cell, fields_of
from stripe.reproduce.paper.noise_reading import DEFAULT_READING, NoiseReading
from stripe.reproduce.store.runs import address
from stripe.style.config import StyleConfig
from stripe.train import TrainConfig, recipe


@dataclass(frozen=True)
class Scale:
    """What stands in for the paper's data, networks and lengths of training.

    Parameters
    ----------
    name
        "paper", "small", "smoke" or "test".
    words
        Description, for the heading of every result.
    seeds
        How many trainings of each cell.
    images
        Number of images for recording and Grad-CAM.
    rounds, timed_images
        How often networks are timed, and the batch.
    painting
        Fields of `StyleConfig` for style transfer.
    conclusive
        Whether trainings are long enough for a claim to be tested.
    data
        From the paper's data sets to those that stand in for them; a cell on any other is left
        out. By default they are the paper's.
    networks
        From the paper's networks to those that stand in for them; by default they are the paper's.
    fields
        Of `TrainConfig`, that replace those of the recipe.
    watched
        As `fields`, where gates are recorded at every epoch.
    """

    name: str
    words: str
    seeds: int
    images: int
    rounds: int
    timed_images: int
    painting: Mapping[str, Any]
    conclusive: bool = True
    data: Mapping[str, str] | None = None
    networks: Mapping[str, str] | None = None
    fields: Mapping[str, Any] | None = None
    watched: Mapping[str, Any] = field(default_factory=dict)

    def config(
        self, cell: Cell, seed: int, reading: NoiseReading = DEFAULT_READING
    ) -> TrainConfig | None:
        """Return the training of a cell, None where the scale has nothing that stands in for it."""
        backbone = _NAMES.get(cell.backbone, cell.backbone)
        fields = fields_of(cell, reading)
        if backbone.endswith("_acnet") and not cell.method.startswith("ACNet"):
            backbone = backbone.replace("_acnet", "_basic")
        base = recipe(_recipe_of(cell.dataset, backbone, fields.get("image_size")))
        if self.data is None:
            return replace(base, backbone=backbone, seed=seed, **fields)
        assert self.networks is not None
        if backbone not in self.networks or cell.dataset not in self.data:
            return None
        fields.pop("image_size", None)
        stand_ins = {"backbone": self.networks[backbone], "dataset": self.data[cell.dataset]}
        return replace(base, seed=seed, **{**(self.fields or {}), **stand_ins, **fields})

    def trainings(
        self, cell: Cell, seed: int, reading: NoiseReading = DEFAULT_READING
    ) -> list[TrainConfig]:
        """Return the training of a cell behind the one with whose weights it begins, if any.

        None where the scale has nothing that stands in for the cell.
        """
        config = self.config(cell, seed, reading)
        if config is None:
            return []
        if cell.setting != _FINE_TUNED or config.image_size != 384:
            return [config]
        first = self.config(cell.but(setting="image_size=224"), seed, reading)
        assert first is not None
        return [first, replace(config, initial=Path(address(first)))]

    def recorded(self, cell: Cell, seed: int) -> TrainConfig | None:
        """Return the training of a cell with its gates recorded at every epoch."""
        config = self.config(cell, seed)
        if config is None:
            return None
        return replace(config, record=True, record_images=self.images, **self.watched)

    def style(self, variant: str, seed: int) -> StyleConfig:
        """Return the training of a style network."""
        return StyleConfig(variant=variant, seed=seed, **self.painting)  # type: ignore[arg-type]


def scale(name: str) -> Scale:
    """Return a scale by name, or raise an `UnknownNameError` that lists them."""
    if name not in SCALES:
        raise UnknownNameError(f"unknown scale {name!r}; choose one of: {', '.join(SCALES)}")
    return SCALES[name]


def _recipe_of(dataset: str, backbone: str, image_size: int | None) -> str:
    """Return the name of a network's recipe."""
    return f"{dataset}/{backbone}_384" if image_size == 384 else f"{dataset}/{backbone}"


def _all_by(dataset: str, **others: str) -> dict[str, str]:
    """Let a data set stand in for each of the paper's, but for those that have another."""
    return {**dict.fromkeys(("cifar10", "cifar100", "stl10", "imagenet"), dataset), **others}


#: A setting of Table 2 whose recipe fine-tunes the network of 224 x 224 (Table 11).
_FINE_TUNED = "image_size=384"

#: From the names in the tables to ours.
_NAMES = {"vit_s": "vit_s_16", "vit_b": "vit_b_16"}

_SHALLOW = {
    "resnet164": "resnet20",
    "resnet83": "resnet11",
    "vgg19": "vgg19",
    "shufflenetv2": "shufflenetv2",
    "mobilenet": "mobilenet",
    "repvgg_a0": "repvgg_a0",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    **{f"resnet{depth}_{kind}": f"resnet8_{kind}" for depth in (56, 110, 164)
       for kind in ("acnet", "basic")},
}  # fmt: skip
_TINY = {**_SHALLOW, "resnet164": "resnet11"}

_SHORT = {"schedule": "cosine", "warmup": 0.05, "lr": 0.1, "weight_decay": 5e-4, "optimizer": "sgd"}

#: The weights of the style demo's loss, where features are random.
_RANDOM = {"style_weight": 2.0, "variation_weight": 0.2, "workers": 0}

SCALES = {
    one.name: one
    for one in (
        Scale(
            name="paper",
            words="the paper's recipes and data",
            seeds=3,
            images=500,
            rounds=50,
            timed_images=64,
            painting={"content": Path("train2014"), "style": Path("style.jpg")},
        ),
        Scale(
            name="small",
            words="shallower networks of the same families, 20 epochs of Fashion-MNIST, or of "
            "photo-patches in the place of STL10",
            seeds=3,
            images=500,
            rounds=25,
            timed_images=32,
            painting={"steps": 2000, "width": 16},
            data=_all_by("fashion_mnist", stl10="photo-patches"),
            networks=_SHALLOW,
            fields={**_SHORT, "epochs": 20, "batch_size": 128, "padding": 2},
        ),
        Scale(
            name="smoke",
            words="the shallowest networks, one epoch of 1,000 images of fashion-mini (STL10: "
            "photo-patches), or four of 300 where gates are recorded: too short for any claim",
            seeds=2,
            images=100,
            rounds=4,
            timed_images=8,
            painting={**_RANDOM, "steps": 150, "size": 64, "width": 8, "features": "random:8"},
            conclusive=False,
            data=_all_by("fashion-mini", stl10="photo-patches"),
            networks=_TINY,
            fields={**_SHORT, "epochs": 1, "batch_size": 50, "limit": 1000, "padding": 2},
            watched={"epochs": 4, "limit": 300},
        ),
        Scale(
            name="test",
            words="two steps of training, or four: whether it runs, and nothing else",
            seeds=2,
            images=20,
            rounds=1,
            timed_images=2,
            painting={**_RANDOM, "steps": 2, "size": 32, "width": 4, "features": "random:4"},
            conclusive=False,
            data=_all_by("fashion-mini", stl10="photo-patches"),
            networks={"resnet164": "resnet11", "resnet83": "resnet11", "repvgg_a0": "repvgg_a0",
                      "resnet34": "resnet34", "resnet50": "resnet34",
                      "resnet56_acnet": "resnet8_acnet", "resnet56_basic": "resnet8_basic"},
            fields={**_SHORT, "epochs": 1, "batch_size": 32, "limit": 64, "padding": 2},
            watched={"epochs": 2},
        ),
    )
}  # fmt: skip
