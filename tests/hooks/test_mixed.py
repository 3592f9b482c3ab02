"""Halves of images at random hold the same classes, whatever the order of the labels."""

import pytest
import torch

from stripe.hooks.mixed import random_halves


@pytest.mark.parametrize("count", [2, 7, 64])
def test_the_halves_are_all_images(count: int) -> None:
    first, second = random_halves(count)
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(count))
    assert len(first) - len(second) == count % 2
    assert not torch.equal(random_halves(64, seed=1)[0], random_halves(64)[0])


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 20])
@pytest.mark.parametrize("order", ["alternating", "sorted", "random"])
def test_every_class_is_in_both_halves(classes: int, order: str) -> None:
    labels = torch.arange(40) % classes
    if order != "alternating":
        seeded = torch.Generator().manual_seed(0)
        labels = (
            labels.sort().values
            if order == "sorted"
            else labels[torch.randperm(40, generator=seeded)]
        )
    halves = random_halves(40, labels=labels)
    assert sorted(torch.cat(halves).tolist()) == list(range(40))
    first, second = (torch.bincount(labels[half], minlength=classes) for half in halves)
    assert (first - second).abs().max() <= 1
    if classes < 20:
        assert any((labels[half].diff() < 0).any() for half in halves) or classes == 1  # not sorted


def test_pairs_that_alternate_are_not_divided_by_their_order() -> None:
    """Without labels, the halves do not follow any period."""
    for period in range(2, 9):
        for half in random_halves(200):
            shares = torch.bincount(half % period, minlength=period) / 100
            assert (shares - 1 / period).abs().max() < 0.12
