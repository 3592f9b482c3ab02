"""Halves of images at random hold every class, whatever the order of the labels."""

import pytest
import torch

from stripe.hooks.mixed import random_halves


@pytest.mark.parametrize("count", [2, 7, 64])
def test_the_halves_are_all_images(count: int) -> None:
    first, second = random_halves(count)
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(count))
    assert len(first) - len(second) == count % 2
    assert not torch.equal(random_halves(64, seed=1)[0], random_halves(64)[0])


@pytest.mark.parametrize("classes", range(2, 9))
@pytest.mark.parametrize("order", ["alternating", "sorted"])
def test_every_class_is_in_both_halves(classes: int, order: str) -> None:
    labels = torch.arange(200) % classes
    labels = labels if order == "alternating" else labels.sort().values
    for half in random_halves(200):
        shares = torch.bincount(labels[half], minlength=classes) / 100
        assert (shares - 1 / classes).abs().max() < 0.12  # three standard deviations for halves
