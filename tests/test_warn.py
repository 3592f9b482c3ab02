"""A warning names the user's line, however deep in the package it is given."""

import warnings

import pytest
import torch
from torch import nn

import stripe


def test_it_names_the_line_of_the_call_and_is_given_at_each(small_model: nn.Module) -> None:
    one = torch.zeros(1, 1, 12, 12)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("default")  # once per line, as Python has it
        stripe.find_gates(small_model, one)
        stripe.find_gates(small_model, one)
    assert [warning.filename for warning in given] == [__file__, __file__]
    assert given[1].lineno == given[0].lineno + 1


def test_a_warning_from_below_a_context_names_the_call_too(tmp_path: object) -> None:
    model = stripe.build("resnet8_basic", attention="se", num_classes=3)
    images = (batch for batch in [torch.rand(4, 3, 12, 12)])
    with pytest.warns(UserWarning, match="does not tell the order") as given:
        stripe.record(model, images, f"{tmp_path}/r", progress=False)
    assert given[0].filename == __file__
