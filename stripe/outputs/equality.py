"""Equality of two predictions of any kind: numbers, texts, arrays, and what holds them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from torch import Tensor

from stripe.errors import ModelError
from stripe.outputs.predictions import as_array


def equal(one: Any, other: Any) -> bool:
    """Tell whether two predictions are equal, with everything that they hold.

    Parameters
    ----------
    one, other
        Numbers, texts, arrays, tensors, or tuples, lists, mappings and dataclasses of these.

    Raises
    ------
    ModelError
        If they are objects of a class that does not define equality.
    """
    if isinstance(one, Tensor | np.ndarray) or isinstance(other, Tensor | np.ndarray):
        return np.array_equal(as_array(one), as_array(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    if is_dataclass(one) and type(one) is type(other):
        names = [field.name for field in fields(one)]
        return all(equal(getattr(one, name), getattr(other, name)) for name in names)
    if type(one) is type(other) and one is not None and not _defines_equality(type(one)):
        raise ModelError(
            f"predictions of the class {type(one).__name__} have no equality; say with agree= how "
            "far two of them agree"
        )
    return bool(one == other)


def _defines_equality(kind: type) -> bool:
    return any("__eq__" in vars(base) for base in kind.__mro__[:-1])


def holds_nan(prediction: Any) -> bool:
    """Tell whether a number in a prediction is NaN, so that it is not even equal to itself."""
    if isinstance(prediction, Tensor | np.ndarray):
        numbers = as_array(prediction)
        return numbers.dtype.kind in "fc" and bool(np.isnan(numbers).any())
    if isinstance(prediction, Mapping):
        return any(map(holds_nan, prediction.values()))
    if isinstance(prediction, tuple | list):
        return any(map(holds_nan, prediction))
    if is_dataclass(prediction):
        return any(holds_nan(getattr(prediction, field.name)) for field in fields(prediction))
    return isinstance(prediction, float) and prediction != prediction
