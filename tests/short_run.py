"""The settings of a short training with noise, recorded."""

from pathlib import Path

from stripe.train import TrainConfig


def settings(out: Path, root: Path) -> TrainConfig:
    return TrainConfig(
        backbone="resnet11",
        attention="se",
        dataset="fashion_mnist",
        data_root=root,
        epochs=2,
        batch_size=16,
        noise="random:0.1,0.1",
        record=True,
        record_images=20,
        out=out,
    )
