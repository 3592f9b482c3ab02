"""How noise grows through a network, what bounds it, and noise in the norms of any model."""

from stripe.robustness.attack import TABLE_8 as TABLE_8
from stripe.robustness.attack import attack as attack
from stripe.robustness.bound import noise_bound as noise_bound
from stripe.robustness.noise import inject_noise as inject_noise
from stripe.robustness.noise_spec import NoiseSpec as NoiseSpec
