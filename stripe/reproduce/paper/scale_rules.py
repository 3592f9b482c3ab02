"""A scale: replacements for the paper's data, networks and lengths of training."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stripe.reproduce.paper.cells import Cell, fields_of
from stripe.reproduce.paper.noise_reading import DEFAULT_READING, NoiseReading
from stripe.reproduce.store.runs import address
from stripe.style.config import StyleConfig
from stripe.train import TrainConfig, recipe

#: A setting of Table 2 whose recipe fine-tunes the network of 224 x 224 (Table 11).
_FINE_TUNED = "image_size=384"

#: Our names by the names in the tables.
_NAMES = {"vit_s": "vit_s_16", "vit_b": "vit_b_16"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Other settings of a scale for some cells.

    Parameters
    ----------
    dataset, backbone, method, setting
        Regular expressions that match the whole words of the cell, as in `Cell`. Default: any.
    fields
        Fields of `TrainConfig` that replace those of the scale.
    seeds
        Number of training runs of each of these cells. Default: the number of the scale.
    left_out
        Whether the scale leaves out these cells.
    """

    dataset: str = ".*"
    backbone: str = ".*"
    method: str = ".*"
    setting: str = ".*"
    fields: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None
    left_out: bool = False

    def matches(self, cell: Cell) -> bool:
        """Return whether the rule is for a cell."""
        words = ("dataset", "backbone", "method", "setting")
        return all(re.fullmatch(getattr(self, word), getattr(cell, word)) for word in words)


@dataclass(frozen=True)
class Scale:
    """Replacements for the paper's data, networks and lengths of training.

    Parameters
    ----------
    name
        "paper", "small", "desk", "smoke" or "test".
    words
        Description, for the heading of every result.
    seeds
        Number of training runs of each cell.
    n_images
        Number of images for recording and Grad-CAM.
    rounds, timed_images
        Number of timed rounds, and of images per forward pass.
    painting
        Fields of `StyleConfig` for style transfer.
    conclusive
        Whether trainings are long enough to test a claim.
    data
        Mapping from the paper's data sets to their replacements. Cells on other data sets are left
        out. Default: the paper's data sets.
    networks
        Mapping from the paper's networks to their replacements. Default: none.
    fields
        Fields of `TrainConfig` that replace those of the recipe.
    watched
        As `fields`, for trainings whose gates are recorded at every epoch.
    deep
        As `networks`, for trainings whose gates are recorded at every epoch, and for other exhibits
        of depth.
    measured_seeds
        Number of trainings of each cell if the claim is not a difference of accuracies. Default:
        `seeds`.
    rules
        Rules for cells with other settings. A later rule replaces an earlier one.
    limits
        What the test of a claim cannot show at this scale, by the first words of the claim.
    """

    name: str
    words: str
    seeds: int
    n_images: int
    rounds: int
    timed_images: int
    painting: Mapping[str, Any]
    conclusive: bool = True
    data: Mapping[str, str] | None = None
    networks: Mapping[str, str] | None = None
    fields: Mapping[str, Any] | None = None
    watched: Mapping[str, Any] = field(default_factory=dict)
    deep: Mapping[str, str] = field(default_factory=dict)
    measured_seeds: int | None = None
    rules: Sequence[Rule] = ()
    limits: Mapping[str, str] = field(default_factory=dict)

    def seeds_of(self, cell: Cell, *, compared: bool) -> range:
        """Return the seeds of a cell.

        Parameters
        ----------
        cell
            A network in the paper's words.
        compared
            Whether the claim is a difference of accuracies.
        """
        if not compared:
            return range(self.measured_seeds or self.seeds)
        of_rules = [rule.seeds for rule in self._rules_for(cell) if rule.seeds is not None]
        return range([self.seeds, *of_rules][-1])

    def deepened(self) -> "Scale":
        """Return the scale with its deep networks."""
        if self.networks is None:
            return self
        return replace(self, networks={**self.networks, **self.deep})

    def config(
        self, cell: Cell, seed: int, reading: NoiseReading = DEFAULT_READING
    ) -> TrainConfig | None:
        """Return the training of a cell, or None if the scale has no replacement for it."""
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
        rules = self._rules_for(cell)
        if any(rule.left_out for rule in rules):
            return None
        fields.pop("image_size", None)
        usual = dict(self.fields or {})
        for rule in rules:
            usual.update(rule.fields)
        stand_ins = {"backbone": self.networks[backbone], "dataset": self.data[cell.dataset]}
        return replace(base, seed=seed, **{**usual, **stand_ins, **fields})

    def trainings(
        self, cell: Cell, seed: int, reading: NoiseReading = DEFAULT_READING
    ) -> list[TrainConfig]:
        """Return the training of a cell, preceded by the training of its initial weights, if any.

        The list is empty if the scale has no replacement for the cell.
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
        config = self.deepened().config(cell, seed)
        if config is None:
            return None
        return replace(config, record=True, record_images=self.n_images, **self.watched)

    def style(self, variant: str, seed: int) -> StyleConfig:
        """Return the training of a style network."""
        return StyleConfig(variant=variant, seed=seed, **self.painting)  # type: ignore[arg-type]

    def _rules_for(self, cell: Cell) -> list[Rule]:
        return [rule for rule in self.rules if rule.matches(cell)]


def _recipe_of(dataset: str, backbone: str, image_size: int | None) -> str:
    """Return the name of a network's recipe."""
    return f"{dataset}/{backbone}_384" if image_size == 384 else f"{dataset}/{backbone}"
