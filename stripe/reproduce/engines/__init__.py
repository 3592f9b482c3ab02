"""Engines that execute the runs of `stripe reproduce`: `Local` and `Ray`."""

from stripe.reproduce.engines.local import Local as Local
from stripe.reproduce.engines.ray import Ray as Ray
