"""Predictions and their agreement, worked out by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from stripe.errors import ModelError, UnknownNameError
from stripe.outputs.agreement import agreements, mean_interval
from stripe.outputs.predictions import Boxes, predictions


def test_labels_and_strings() -> None:
    blank, a, b = np.eye(3)
    line = np.stack([[blank, a, a, blank, a, b]])
    assert predictions(line) == [(1, 1, 2)]
    assert predictions(np.array([[0.1, 0.9], [0.8, 0.2]])) == [1, 0]
    assert agreements([1, 0, 2, 2], [1, 0, 2, 0]).tolist() == [1, 1, 1, 0]
    assert agreements([(1, 1, 2)], [(1, 1)]).tolist() == [0]


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("kitten", "sitting", 1 - 3 / 7),  # two replaced, one added
        ("abc", "abc", 1.0),
        ("", "ab", 0.0),
        ("", "", 1.0),
        ("abc", "bc", 1 - 1 / 3),
    ],
)
def test_the_edit_distance(one: str, other: str, share: float) -> None:
    assert agreements([one], [other], "edit")[0] == pytest.approx(share)
    assert agreements([other], [one], "edit")[0] == pytest.approx(share)


def test_masks_of_logits_are_those_of_their_probabilities() -> None:
    logits = torch.randn(5, 1, 7, 7, generator=torch.Generator().manual_seed(0)).mul(3)
    expected = list((logits.sigmoid() > 0.3)[:, 0].numpy())
    for output in (logits, logits.sigmoid(), logits.sigmoid().half()):
        assert all(map(np.array_equal, predictions(output), expected))
    broken = logits.sigmoid().clone()
    broken[0, 0, 0, 0] = torch.nan
    assert all(map(np.array_equal, predictions(broken, missing=True)[1:], expected[1:]))


def test_masks_and_maps() -> None:
    one = predictions(np.array([[[[0.9, 0.4], [0.1, 0.1]]], [[[0.0, 0.0], [0.0, 0.0]]]]))
    other = predictions(np.array([[[[0.9, 0.1], [0.1, 0.1]]], [[[0.0, 0.0], [0.0, 0.0]]]]))
    assert agreements(one, other).tolist() == [0.5, 1.0]
    (first,) = predictions(torch.eye(3)[torch.tensor([[0, 0, 1, 2]])].permute(0, 2, 1)[..., None])
    assert first.tolist() == [[0], [0], [1], [2]]
    # Class 0: one of two places, class 1: none of two (one each), class 2: the one place.
    second = np.array([[0], [1], [0], [2]])
    assert agreements([first], [second])[0] == pytest.approx((1 / 3 + 0 + 1) / 3)


def test_boxes_match_one_of_the_same_class() -> None:
    square = [0.0, 0.0, 10.0, 10.0]
    one = Boxes(np.array([square, [20.0, 20.0, 30.0, 30.0]]), np.array([1, 2]))
    near = Boxes(np.array([[0.0, 0.0, 10.0, 8.0], [20.0, 20.0, 30.0, 30.0]]), np.array([1, 1]))
    assert agreements([one], [near])[0] == 0.5  # 0.8 of one class; the other has another class
    twice = Boxes(np.array([square, square]), np.array([1, 1]))
    assert agreements([one], [twice])[0] == 0.5  # a box matches once
    far = Boxes(np.array([[6.0, 0.0, 16.0, 10.0]]), np.array([1]))
    assert agreements([one], [far])[0] == 0  # 40 of 160
    none = Boxes(np.zeros((0, 4)), np.zeros(0, dtype=int))
    assert agreements([one, none], [one, none]).tolist() == [1, 1]
    with pytest.raises(ModelError, match="the network outputs none"):
        agreements([none], [none])


class Output(dict[str, Any]):
    """What transformers returns: a mapping whose entries are attributes too."""


@pytest.mark.parametrize(
    "output",
    [
        Output(loss=None, logits=torch.eye(3), hidden_states=(torch.zeros(3, 5),)),
        {"out": torch.eye(3), "aux": torch.zeros(3, 3)},
        (torch.eye(3), torch.zeros(3, 3)),
        type("Scores", (), {})(),
    ],
    ids=["logits", "out", "tuple", "object"],
)
def test_scores_are_found_in_what_libraries_return(output: Any) -> None:
    if not isinstance(output, dict | tuple):
        output.logits = torch.eye(3)
    assert predictions(output) == [0, 1, 2]


@pytest.mark.parametrize(
    ("output", "came"),
    [(np.zeros(4), r"shape \(4,\)"), ("text", "got str"), ([], "got list"), ({}, "got dict")],
)
def test_other_outputs_are_refused(output: Any, came: str) -> None:
    with pytest.raises(ModelError, match=came):
        predictions(output)


def test_own_and_unknown_agreements() -> None:
    assert agreements([1, 5], [2, 9], lambda a, b: 1 / abs(a - b)).tolist() == [1, 0.25]
    with pytest.raises(UnknownNameError, match="unknown agreement 'iuo'; choose one of: equal"):
        agreements([1], [1], "iuo")


MASK, MAP = np.ones((2, 2), dtype=bool), np.array([[0, 1], [2, 2]])
NO_BOX = Boxes(np.zeros((0, 4)), np.zeros(0, dtype=int))


@pytest.mark.parametrize(
    ("name", "one", "other", "came"),
    [
        ("edit", 1, 2, "int"),
        ("edit", MASK, MASK, "an array of bool"),
        ("iou", 1, 2, "int"),
        ("iou", (1, 2), (1, 2), "tuple"),
        ("iou", MASK, MASK[:1], r"an array of bool, \(2, 2\) and an array of bool, \(1, 2\)"),
        ("iou", np.ones(3), np.ones(3), "an array of float64"),
        ("boxes", MAP, MAP, "an array of int64"),
        ("boxes", 1, NO_BOX, "int and Boxes"),
    ],
)
def test_predictions_that_an_agreement_does_not_compare(
    name: str, one: Any, other: Any, came: str
) -> None:
    message = rf"\Athe agreement '{name}' compares [^\n]*, got {came}[^\n]*\Z"
    with pytest.raises(ModelError, match=message):
        agreements([one], [other], name)


def test_tensors_are_compared_as_arrays() -> None:
    one, other = torch.tensor([[True, True]]), torch.tensor([[True, False]])
    assert agreements([one], [other]).tolist() == [0.5]
    assert agreements([one], [other], "iou").tolist() == [0.5]
    assert agreements([torch.tensor([0.1, 0.2])], [torch.tensor([0.1, 0.3])]).tolist() == [0]


@pytest.mark.parametrize("found", [5, -1, float("nan"), None, "much", torch.ones(2)])
def test_a_function_that_returns_no_share(found: Any) -> None:
    with pytest.raises(ModelError, match=r"\Aagree= must return a number from 0 to 1 .*, got .*\Z"):
        agreements([1], [1], lambda one, other: found)


def test_a_detector_agrees_with_itself_on_boxes_without_area() -> None:
    boxes = Boxes(np.array([[1.0, 1, 1, 5], [0, 0, 4, 4]]), np.array([1, 1]))
    assert agreements([boxes], [boxes])[0] == 1


def test_the_interval_of_agreements() -> None:
    assert [round(x, 3) for x in mean_interval(np.array([1.0] * 50 + [0.0] * 50))] == [0.404, 0.596]
    each = np.random.default_rng(1).normal(0.7, 0.1, 400)
    low, high = mean_interval(each)
    assert low < each.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * each.std() / 20, rel=0.1)  # of a mean
