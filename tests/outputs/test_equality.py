"""Equality of predictions that hold other things, and predictions without it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stripe.errors import ModelError
from stripe.outputs.agreement import agreements
from stripe.outputs.predictions import MISSING
from stripe.outputs.task import Task


@dataclass
class Pose:
    name: str
    points: Tensor


def pose(name: str, *points: float) -> Pose:
    return Pose(name, torch.tensor(points))


A = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ([("a", [1, 2, 3]), ("b", [1])], [("a", [1, 2, 3]), ("b", [1])], [("a", [1, 2, 3])]),
        (pose("a", 1, 2), pose("a", 1, 2), pose("a", 1, 3)),
        (pose("a", 1, 2), pose("a", 1, 2), pose("b", 1, 2)),
        ({"v": A, "n": 2}, {"n": 2, "v": A.copy()}, {"v": A + 1, "n": 2}),
        ({"v": A}, {"v": A}, {"w": A}),
        ((A, 1), (A.copy(), 1), (A, 2)),
        ([], [], [1]),
        ("", "", "a"),
        (None, None, "a"),
        ({1, 2}, {2, 1}, {1}),
        (torch.tensor([0.5]), torch.tensor([0.5]), torch.tensor([0.5, 0.5])),
    ],
)
def test_equal_and_other_predictions(one: Any, same: Any, other: Any) -> None:
    assert agreements([one, one], [same, other]).tolist() == [1, 0]


def test_objects_without_equality_are_refused() -> None:
    with pytest.raises(ModelError, match=r"\A.* class object have no equality; say with agree=.*"):
        agreements([object()], [object()])
    assert agreements([object()], [object()], lambda one, other: 1).tolist() == [1]


@pytest.mark.parametrize("bad", [float("nan"), A * np.nan, pose("a", np.nan), [{"v": (np.nan, 1)}]])
def test_a_prediction_that_is_nan_is_not_even_equal_to_itself(bad: Any) -> None:
    task = Task(predict=lambda output: output)
    with pytest.raises(ModelError, match=r"\Aa network must output numbers, got NaN for 1 of 2 "):
        task.read([(2, ["a", bad])])
    before, now = task.read([(2, ["a", "b"])]), task.read([(2, ["a", bad])], missing=True)
    assert now.predictions[1] is MISSING
    assert task.measures(before, now, None)["agreement"] == 0.5
    own = Task(predict=lambda output: output, agree=lambda one, other: 0.25)
    assert own.read([(2, ["a", bad])]).predictions[1] is bad  # its agreement may know NaN


def test_labels_that_are_missing_in_a_pass_are_wrong() -> None:
    task = Task()
    before = task.read([(2, torch.eye(2)), (1, torch.eye(2)[:1])])
    scores = torch.tensor([[torch.nan, 0.0], [0.0, 1.0]])
    now = task.read([(2, scores), (1, torch.eye(2)[:1])], missing=True)
    assert now.predictions == [MISSING, 1, 0]
    found = task.measures(before, now, np.array([0, 1, 1]))
    assert (found["agreement"], found["accuracy"]) == pytest.approx((2 / 3, 1 / 3))
    assert np.isnan(found["kl"])
