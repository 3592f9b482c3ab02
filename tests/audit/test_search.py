"""The search for the number of gates that can be frozen, and the batches of a recording."""

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from stripe.audit.images import pieces
from stripe.audit.search import largest_at


def asked_of(agreement: Callable[[int], float]) -> tuple[Callable[[int], float], list[int]]:
    """Return a function that measures, and the numbers at which it does so, each once."""
    asked: list[int] = []

    def measured(count: int) -> float:
        asked.extend([] if count in asked else [count])
        return agreement(count)

    return measured, asked


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_bisection_finds_the_last_that_is_at_the_threshold(
    low: int, last: int, high: int
) -> None:
    low, last, high = sorted((low, last, high))
    measured, asked = asked_of(lambda count: 1.0 if count <= last else 0.5)
    assert largest_at(measured, 0.9, low, high) == last
    assert len(asked) <= 3 + np.log2(max(high - low, 1))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=60).map(sorted),
    st.lists(st.floats(-1e-3, 10), min_size=60, max_size=60) | st.just([float("nan")] * 60),
    st.floats(0, 1),
)
def test_any_estimate_finds_what_the_bisection_finds(
    losses: list[float], costs: list[float], threshold: float
) -> None:
    measured, asked = asked_of(lambda count: 1 - [0.0, *losses][count])
    high = len(losses)
    found = largest_at(measured, threshold, 0, high, [0.0, *costs][: high + 1])
    assert found == largest_at(measured, threshold, 0, high)
    assert 1 - [0.0, *losses][found] >= threshold
    assert found == high or 1 - [0.0, *losses][found + 1] < threshold
    measured, asked = asked_of(lambda count: 1 - [0.0, *losses][count])
    largest_at(measured, threshold, 0, high, [0.0, *costs][: high + 1])
    assert len(asked) <= 5 + np.log2(high)


def test_a_good_estimate_needs_two_numbers_beside_none_and_all() -> None:
    costs = [0.002 * count**2 for count in range(55)]  # the root grows evenly
    measured, asked = asked_of(lambda count: 1 - 0.1 * costs[count] ** 0.5)
    assert largest_at(measured, 0.95, 0, 54, costs) == 11
    assert sorted(asked) == [0, 11, 12, 54]


def test_a_loss_that_the_network_has_with_itself_leaves_a_bisection() -> None:
    measured, _ = asked_of(lambda count: 0.5 - 0.01 * (count > 3))
    assert largest_at(measured, 0.5, 0, 9, [float(count) for count in range(10)]) == 3
    measured, _ = asked_of(lambda count: 0.9 if count == 9 else 0.5)
    assert largest_at(measured, 0.95, 0, 9, [float(count) for count in range(10)]) == 0


def test_pieces_keep_images_with_their_labels_and_leave_no_small_rest() -> None:
    images, labels = torch.arange(67.0).view(67, 1, 1, 1), torch.arange(67)
    found = pieces([(images[:64], labels[:64]), (images[64:], labels[64:])], 16)
    assert [len(piece[0]) for piece in found] == [16, 16, 16, 16, 3]
    assert all(torch.equal(x.flatten().long(), y) for x, y in found)
    whole = pieces([images], 16)
    assert [len(piece) for piece in whole] == [16, 16, 16, 19]
    assert torch.equal(torch.cat([*map(torch.as_tensor, whole)]), images)
