"""Checkpoints that are damaged, hostile or of another run are refused by name."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import stripe
from stripe.errors import StripeError
from stripe.train import TrainConfig, train
from stripe.train.checkpoint import latest_checkpoint
from stripe.train.weights import load_weights

Refused = Callable[[Path, str], None]


@pytest.fixture
def last(finished: TrainConfig) -> Path:
    """Return the last checkpoint, without its manifest: of an old run, or a forged one."""
    found = latest_checkpoint(finished.out / "checkpoint")
    assert found is not None
    (found / "manifest.sha256").unlink()
    (finished.out / "model.safetensors").unlink()
    return found


@pytest.fixture
def refused(
    finished: TrainConfig, last: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Refused:
    """Return a function that wants a file refused by name, and puts the checkpoint back."""
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "kept"
    shutil.copytree(last, kept)

    def check(file: Path, message: str) -> None:
        with pytest.raises(StripeError, match=message) as caught:
            train(finished, resume=True, progress=False)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "hostile-was-here").exists()
        shutil.rmtree(last)
        shutil.copytree(kept, last)

    return check


class Hostile:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch hostile-was-here",)


def test_states_that_are_hostile_or_damaged(last: Path, refused: Refused) -> None:
    state = last / "state.pt"
    torch.save(Hostile(), state)
    refused(state, "damaged, or holds more than tensors")
    state.write_bytes(state.read_bytes()[:1000])
    refused(state, "damaged")
    torch.save({"epoch": 1}, state)
    refused(state, "does not belong to this run")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"epoch": "x"}, "does not belong to this run"),
        ({"epoch": 99}, "does not belong to this run"),
        ({"history": []}, "does not belong to this run"),
        ({"optimizer": {}}, "does not fit this run"),
        ({"generators": {}}, "does not fit this run"),
        ({"generators": {"loader": torch.zeros(16, dtype=torch.uint8)}}, "kind"),
    ],
)
def test_states_with_a_part_of_another_run(
    last: Path, refused: Refused, part: dict[str, Any], message: str
) -> None:
    state = last / "state.pt"
    held = torch.load(state, weights_only=True)
    if part.get("generators"):
        part = {"generators": held["generators"] | part["generators"]}
    torch.save({**held, **part}, state)
    refused(state, message)


def test_momenta_of_another_shape(last: Path, refused: Refused) -> None:
    state = last / "state.pt"
    held = torch.load(state, weights_only=True)
    of_parameter = held["optimizer"]["state"][0]
    right = of_parameter["momentum_buffer"].shape
    for wrong in (torch.zeros(3), torch.zeros(()), torch.zeros(1).expand(right)):
        of_parameter["momentum_buffer"] = wrong
        torch.save(held, state)
        refused(state, "momentum_buffer of parameter 0 has the shape")


def test_weights_that_are_hostile_damaged_or_missing(last: Path, refused: Refused) -> None:
    weights = last / "model.safetensors"
    torch.save(Hostile(), weights)
    refused(weights, "not a file of weights")
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(weights, "not a file of weights")
    weights.unlink()
    refused(weights, "missing")


def test_weights_of_another_network(finished: TrainConfig, last: Path, refused: Refused) -> None:
    weights = last / "model.safetensors"
    tensors = load_file(weights)
    model = stripe.build("resnet11", attention="se", num_classes=10, in_channels=1)
    foreign = stripe.build("resnet11", attention="eca", num_classes=10, in_channels=1)
    others = {
        "weights of another network": {
            name: value.contiguous() for name, value in foreign.state_dict().items()
        },
        r"fc.weight must have the shape \(10, 256\), got \(3, 256\)": {
            **tensors,
            "fc.weight": torch.zeros(3, 256),
        },
    }
    for message, other in others.items():
        save_file(other, weights)
        with pytest.raises(StripeError, match=message) as caught:
            load_weights(weights, model)
        assert str(weights) in str(caught.value)
        # A run that records compares its checkpoint with the recording before it loads it.
        refused(weights, "epoch 1 has other weights than")
    assert len(train(finished, resume=True, progress=False).history) == 1


def test_half_a_checkpoint_is_none(finished: TrainConfig) -> None:
    """A process killed while it writes leaves `staging`, which nothing reads."""
    (finished.out / "model.safetensors").unlink()
    staging = finished.out / "checkpoint" / "staging"
    staging.mkdir()
    (staging / "state.pt").write_bytes(b"half")
    assert len(train(finished, resume=True, progress=False).history) == 1
