"""Constants at inference: means of the training images, which fine-tuning leaves as they are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from stripe.audit.fine_tuned import constants_at_inference
from stripe.demos.demo import demo_config
from stripe.errors import StripeError
from stripe.stats import channel_moments
from stripe.train import TrainConfig, train
from stripe.train.run import read_config


def test_constants_of_a_short_run(tmp_path: Path) -> None:
    config = demo_config(out=tmp_path / "run", seed=1, device="cpu", epochs=1)
    short: dict[str, Any] = {
        "backbone": "resnet8_basic",
        "limit": 64,
        "record": False,
        "noise": "random:0.1,0.1",
    }
    config = replace(config, **short)
    train(config, progress=False)
    out = tmp_path / "constants"
    table = constants_at_inference(config.out, out, epochs=1, progress=False)
    assert table["network"].tolist() == ["attention", "constants", "fine-tuned"]
    accuracy = table["accuracy"].to_numpy()
    np.testing.assert_allclose(table["loss"], 100 * (accuracy[0] - accuracy))
    moments = channel_moments(out / "gates")
    assert set(moments["n"]) == {64}
    before = load_file(config.out / "model.safetensors")
    after = load_file(out / "fine-tuned" / "model.safetensors")
    for gate, means in moments.groupby("gate")["mean"]:
        np.testing.assert_allclose(after[f"{gate}.value"].ravel(), means, rtol=1e-5)
    assert not np.array_equal(after["conv1.weight"], before["conv1.weight"])
    tuned = read_config(out / "fine-tuned" / "config.json", TrainConfig)
    assert (tuned.noise, tuned.lr, tuned.schedule) == (None, config.lr / 100, "steps")
    with pytest.raises(StripeError, match="must be a new or empty directory"):
        constants_at_inference(config.out, out, progress=False)
