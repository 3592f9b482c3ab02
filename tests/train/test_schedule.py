"""Schedules of the learning rate."""

import pytest

from stripe.train import TrainConfig
from stripe.train.schedule import learning_rate


def test_steps_are_the_papers() -> None:
    """Table 10: of 164 epochs, the rate falls to a tenth after 81 and 122."""
    config = TrainConfig(lr=0.1, gamma=0.1, warmup=0.0)
    rates = [learning_rate(config, epoch / 164) for epoch in (0, 81, 82, 122, 123, 163)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_cosine_and_warm_up() -> None:
    config = TrainConfig(lr=0.2, schedule="cosine", warmup=0.1)
    assert learning_rate(config, 0.0) == 0
    assert learning_rate(config, 0.05) == pytest.approx(0.1)
    assert learning_rate(config, 0.5) == pytest.approx(0.1)
    assert learning_rate(config, 1.0) == pytest.approx(0)
