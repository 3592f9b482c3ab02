"""The learning rate over a run."""

import math

from stripe.train.config import TrainConfig


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Return the learning rate at `progress`, the share of the run that is done, from 0 to 1.

    Linear warm-up, then steps, `lr * gamma ** (number of decay_at that have passed)`, or a cosine,
    `lr * (1 + cos(pi * progress)) / 2`.

    References
    ----------
    Table 10 for both; the warm-up is ours, since short runs start at the full rate otherwise.
    """
    if progress < config.warmup:
        return config.lr * progress / config.warmup
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * progress)) / 2
    passed = sum(progress >= share for share in config.decay_at)
    return config.lr * config.gamma**passed
