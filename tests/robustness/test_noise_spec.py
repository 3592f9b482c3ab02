"""Specifications of noise, as text and as objects."""

from itertools import pairwise

import pytest

from stripe.errors import StripeError
from stripe.robustness import NoiseSpec


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "constant", "constant:1", "constant:1,2,3", "constant:a,b", "random:0.3"),
        *("random:-1,0", "batch:1,2", "constant:nan,0", "random:1,1,per=pixel", "batch,when=never"),
        *("random:1,1,sigma=3", "batch,modules=a+"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_a_wrong_specification_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(StripeError, match="noise") as caught:
        NoiseSpec.parse(text)
    assert "\n" not in str(caught.value)


def test_a_specification_of_everything() -> None:
    spec = NoiseSpec.parse("random:0.3,0.2,per=layer,when=train,modules=layer*.bn?")
    assert spec == NoiseSpec(
        kind="random", a=0.3, b=0.2, per="layer", when="train", modules="layer*.bn?"
    )
    assert NoiseSpec.parse(str(spec)) == spec
    assert str(NoiseSpec.parse("batch, when=eval")) == "batch,when=eval"
    kinds = [NoiseSpec.parse(text).kind for text in ("constant:1,0", "random:0,0", "batch")]
    assert all(first != second for first, second in pairwise(kinds))


def test_a_specification_loses_no_digit() -> None:
    spec = NoiseSpec(kind="random", a=0.3**0.5, b=0.1)
    assert NoiseSpec.parse(str(spec)) == spec
