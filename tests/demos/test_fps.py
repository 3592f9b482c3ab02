"""The table of speeds."""

import numpy as np
import pytest

from stripe.demos.fps import fps_table
from stripe.errors import StripeError


def test_folded_costs_what_bare_costs() -> None:
    table = fps_table(
        "resnet20", attentions=["se", "eca"], num_classes=10, batch_size=4, rounds=2, progress=False
    )
    rows = {row["network"]: row for row in table.to_dict("records")}
    folded = ("asr(se) folded", "asr(eca) folded")
    assert list(rows) == ["bare", "se", "eca", *folded]
    for name in folded:
        assert rows[name]["parameters"] == rows["bare"]["parameters"]
        assert rows[name]["flops"] == rows["bare"]["flops"]
    assert rows["se"]["parameters"] - rows["bare"]["parameters"] == 2 * (580 + 2184 + 8464)
    assert rows["se"]["flops"] > rows["bare"]["flops"]
    assert np.isfinite(table[["images_per_s", "ratio"]]).all(axis=None)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(StripeError, match="1 or more, got 0 and 32"):
        fps_table("resnet20", rounds=0)
