"""Train networks with the paper's recipes, and resume interrupted runs."""

from typing import TYPE_CHECKING

from stripe.lazy import lazy_names

if TYPE_CHECKING:
    from stripe.train.config import TrainConfig as TrainConfig
    from stripe.train.loop import TrainResult as TrainResult
    from stripe.train.loop import train as train
    from stripe.train.recipes import list_recipes as list_recipes
    from stripe.train.recipes import recipe as recipe

_HOME = {
    "TrainConfig": "stripe.train.config",
    "TrainResult": "stripe.train.loop",
    "list_recipes": "stripe.train.recipes",
    "recipe": "stripe.train.recipes",
    "train": "stripe.train.loop",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
