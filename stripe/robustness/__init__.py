"""How noise grows through a network."""

from stripe.robustness.bound import noise_bound as noise_bound
