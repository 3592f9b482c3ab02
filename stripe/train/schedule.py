"""The learning rate over a run."""

import math

from stripe.train.config import TrainConfig


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Return the learning rate at `progress`, the share of the run that is done, from 0 to 1.

    After a linear warm-up, the learning rate is `lr * gamma ** (number of decays that have passed)`
    for "steps", or `lr * (1 + cos(pi * progress)) / 2` for "cosine".

    References
    ----------
    Table 10 for both schedules. The warm-up is ours, because short runs would otherwise start at
    the full learning rate.
    """
    if progress < config.warmup:
        return config.lr * progress / config.warmup
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * progress)) / 2
    passed = sum(progress >= share for share in config.decay_at)
    return config.lr * config.gamma**passed
