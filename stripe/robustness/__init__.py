"""Noise in the norms of any model, and the growth of noise through a network."""

from typing import TYPE_CHECKING

from stripe.lazy import lazy_names

if TYPE_CHECKING:
    from stripe.robustness.attacks import TABLE_8 as TABLE_8
    from stripe.robustness.attacks import attack as attack
    from stripe.robustness.bound import noise_bound as noise_bound
    from stripe.robustness.noise import inject_noise as inject_noise
    from stripe.robustness.noise_spec import NoiseSpec as NoiseSpec

_HOME = {
    "TABLE_8": "stripe.robustness.attacks",
    "NoiseSpec": "stripe.robustness.noise_spec",
    "attack": "stripe.robustness.attacks",
    "inject_noise": "stripe.robustness.noise",
    "noise_bound": "stripe.robustness.bound",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
