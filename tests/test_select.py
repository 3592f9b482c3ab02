"""One language for gates, layers and modules."""

import pytest

from stripe.errors import UnknownNameError
from stripe.select import select

THINGS = {"layer1.se": 1, "layer1.bn": 2, "layer2.se": 3, "head": 0}


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (None, list(THINGS)),
        ("all", list(THINGS)),
        ("layer2.se", ["layer2.se"]),
        ("*.se", ["layer1.se", "layer2.se"]),
        (["all"], list(THINGS)),
        (["layer2.*", "layer1.bn"], ["layer1.bn", "layer2.se"]),  # in the order of the model
        (lambda thing: thing > 1, ["layer1.bn", "layer2.se"]),
    ],
)
def test_names_patterns_lists_and_predicates(selection: object, chosen: list[str]) -> None:
    assert select(THINGS, selection, kind="gate") == chosen  # type: ignore[arg-type]


def test_a_name_with_brackets_is_a_name_before_it_is_a_pattern() -> None:
    assert select({"g[0]": 1, "g0": 2}, "g[0]", kind="gate") == ["g[0]"]


def test_an_unknown_name_lists_the_nearest_first() -> None:
    expected = "the model has no gate 'layer2.sse'; nearest: layer2.se"
    with pytest.raises(UnknownNameError, match=expected):
        select(THINGS, ["layer1.se", "layer2.sse"], kind="gate")
    with pytest.raises(UnknownNameError, match="the model has no gate 'x'; it has: none"):
        select({}, "x", kind="gate")
    with pytest.raises(UnknownNameError, match="the predicate chose no gate of the model"):
        select(THINGS, lambda thing: False, kind="gate")
