"""One training at a time in a directory."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stripe.errors import StripeError
from stripe.style import StyleConfig, train_style
from stripe.train import TrainConfig, train
from stripe.train.run import LOCK, run_locked


class Meddling(nn.Module):
    """A network whose first training step begins a second training in the same directory."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.layer = nn.Linear(28 * 28, 10)
        self.config, self.said = config, ""

    def forward(self, x: Tensor) -> Tensor:
        """Classify, and on the first call train another network."""
        if not self.said:
            with pytest.raises(StripeError) as raised:
                train(self.config, resume=True, model=nn.Linear(1, 1), progress=False)
            self.said = str(raised.value)
        y: Tensor = self.layer(x.flatten(1))
        return y


@pytest.fixture
def config(fashion: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        dataset="fashion_mnist",
        data_root=fashion,
        epochs=1,
        limit=32,
        batch_size=16,
        device="cpu",
        out=tmp_path / "run",
    )


def test_a_second_training_in_a_directory_is_refused(config: TrainConfig) -> None:
    torch.manual_seed(0)
    model = Meddling(config)
    result = train(config, model=model, progress=False)
    assert "takes one writer at a time and process" in model.said
    assert len(result.history) == 1
    assert not (config.out / LOCK).exists()
    assert not list(config.out.glob("checkpoint/staging"))


def test_a_finished_run_is_read_while_somebody_holds_it(config: TrainConfig) -> None:
    train(config, progress=False)
    (config.out / LOCK).write_text("")
    assert len(train(config, resume=True, progress=False).history) == 1


def test_what_was_left_by_a_killed_training_does_not_hinder(config: TrainConfig) -> None:
    config.out.mkdir()
    (config.out / LOCK).write_text("12345678")
    assert len(train(config, progress=False).history) == 1


def test_a_training_that_fails_at_once_leaves_no_directory(config: TrainConfig) -> None:
    nested = replace(config, out=config.out / "a/b", dataset="folder:/nowhere")
    with pytest.raises(StripeError):
        train(nested, progress=False)
    assert not config.out.exists()


def test_a_directory_of_something_else_gets_no_lock(config: TrainConfig) -> None:
    config.out.mkdir()
    (config.out / "thesis.tex").write_text("dear")
    with pytest.raises(StripeError, match="must be a new or empty directory"):
        train(config, progress=False)
    assert [path.name for path in config.out.iterdir()] == ["thesis.tex"]


def test_trainings_of_style_are_locked_too(tmp_path: Path) -> None:
    config = StyleConfig(out=tmp_path / "run", device="cpu")
    with (
        run_locked(config, resume=False),
        pytest.raises(StripeError, match="takes one writer at a time"),
    ):
        train_style(config, progress=False)
    assert not list(tmp_path.iterdir())
