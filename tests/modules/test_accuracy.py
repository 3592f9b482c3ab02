"""Correct predictions are counted among the highest scores."""

import torch
from torch import nn

from stripe.modules.accuracy import right_of


def test_the_counts_of_a_toy() -> None:
    scores = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])
    labels = torch.tensor([0, 1, 0, 1])  # right, second, third, right
    batches = [(scores[:3], labels[:3]), (scores[3:], labels[3:])]
    counts = right_of(nn.Identity(), batches, torch.device("cpu"), top=(1, 2))
    assert counts.tolist() == [2, 3, 4]


def test_k_above_the_number_of_classes_counts_every_image() -> None:
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    counts = right_of(
        nn.Identity(), [(scores, torch.tensor([0, 1]))], torch.device("cpu"), top=(1, 5)
    )
    assert counts.tolist() == [1, 2, 2]
