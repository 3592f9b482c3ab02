"""Multiply a layer, or a weight of the model, by one factor per channel.

The rule of each kind of layer is in `asr/scale_layer.py`.
"""

import copy
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stripe.asr.scale_layer import scale_input, scale_linear_map, scale_output
from stripe.gates.folding.factors import Factors


class Scaling(NamedTuple):
    """Multiply the output of a layer, its input, or a weight.

    Parameters
    ----------
    target
        The name of the layer, or of the parameter or buffer.
    side
        "output" or "input" of the layer, or "weight".
    factors
        One factor per channel, or an array that broadcasts to the weight.
    runs_in
        The name of the module in which the layer computes.
    """

    target: str
    side: str
    factors: Factors
    runs_in: str

    def on(self, modules: Mapping[str, nn.Module]) -> None:
        """Scale a layer or a weight among modules, in place.

        Raises
        ------
        ModelError
            If this kind of layer has no rule.
        """
        if self.side == "weight":
            owner, _, name = self.target.rpartition(".")
            self._multiply(getattr(modules[owner], name))
        else:
            self._apply(modules[self.target], modules)

    def try_on(self, modules: Mapping[str, nn.Module]) -> None:
        """Scale a copy of a layer, to learn whether it works; the errors are those of `on`."""
        layer = modules[self.target]
        rules = scale_output if self.side == "output" else scale_input
        known = rules.dispatch(type(layer)) is not rules.dispatch(object)
        # One that is not known raises.
        self._apply(copy.deepcopy(layer) if known else layer, modules)

    def _apply(self, layer: nn.Module, modules: Mapping[str, nn.Module]) -> None:
        # A norm without weights gets some, in the number format and on the device of the network.
        held = (t for m in (layer, *modules.values()) for t in chain(m.parameters(), m.buffers()))
        tensor = next((t for t in held if t.is_floating_point()), torch.empty(0))
        change = scale_linear_map if self.side == "output" else scale_input
        change(layer, torch.tensor(self.factors).to(tensor))

    def _multiply(self, weight: Tensor) -> None:
        factors = torch.tensor(self.factors).to(weight.device)
        weight.data = (weight.data.double() * factors).to(weight.dtype)
