"""A network that does not fit the data is refused in one line, before anything is written."""

from pathlib import Path

import pytest
from torch import nn

from stripe.errors import ModelError
from stripe.train import TrainConfig, train


def _network(channels: int, classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes)
    )


@pytest.mark.parametrize(
    ("channels", "classes", "message"),
    [
        (
            3,
            10,
            "fails with images of 1 x 28 x 28: Given groups=1.*; the data set has such",
        ),
        (
            1,
            9,
            "must have a score for each of the 10 classes, and has 9; build it with",
        ),
    ],
)
def test_a_network_that_does_not_fit_is_refused(
    channels: int, classes: int, message: str, tmp_path: Path
) -> None:
    config = TrainConfig(dataset="fashion-mini", limit=64, epochs=1, out=tmp_path / "run")
    with pytest.raises(ModelError, match=message):
        train(config, model=_network(channels, classes), progress=False)
    assert not config.out.exists()


def test_more_scores_than_classes_are_accepted(tmp_path: Path) -> None:
    config = TrainConfig(
        dataset="fashion-mini", limit=64, epochs=1, device="cpu", out=tmp_path / "run"
    )
    assert len(train(config, model=_network(1, 12), progress=False).history) == 1
