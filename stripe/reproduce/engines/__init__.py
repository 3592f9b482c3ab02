"""Engines that execute stored runs: `Local` and `Ray`, with the same methods `run` and `map`."""

from stripe.reproduce.engines.local import Local as Local
from stripe.reproduce.engines.ray import Ray as Ray
