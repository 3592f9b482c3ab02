"""The stripe index."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stripe.errors import RecordingError, StripeError
from stripe.recording import open_recording
from stripe.stats import channel_moments, eta2_of, saturation, stripe_index

STRIPE = np.array([[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]])
IMAGES_DECIDE = np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]])


def test_the_two_ends_of_the_scale(write_recording: Callable[..., Path]) -> None:
    table = stripe_index(
        open_recording(write_recording({0: {"stripe": STRIPE, "images": IMAGES_DECIDE}}))
    )
    assert table.columns.tolist() == (
        ["epoch", "gate", "eta2", "between_var", "within_var", "median_std", "one_value"]
    )
    assert table["gate"].tolist() == ["stripe", "images"]
    assert table["eta2"].tolist() == pytest.approx([1, 0], abs=1e-12)
    assert table["median_std"].tolist() == pytest.approx([0, IMAGES_DECIDE[:, 0].std()])


def test_no_recording_is_an_error() -> None:
    for table in (channel_moments, stripe_index, saturation):
        with pytest.raises(RecordingError, match="at least one recording, got an empty list"):
            table([])


def test_by_hand(write_recording: Callable[..., Path]) -> None:
    """Channel means 1 and 5: between 4. Channel variances 1 and 0: within 0.5."""
    path = write_recording({0: {"g": np.array([[0.0, 5], [2, 5]])}})
    row = stripe_index(open_recording(path)).iloc[0]
    assert (row["between_var"], row["within_var"]) == (4, 0.5)
    assert row["eta2"] == pytest.approx(4 / 4.5)


def test_shares_the_total_variance(write_recording: Callable[..., Path]) -> None:
    values = np.random.default_rng(0).random((40, 7)).astype(np.float32)
    row = stripe_index(open_recording(write_recording({0: {"g": values}}))).iloc[0]
    total = values.astype(np.float64).var()
    assert row["between_var"] + row["within_var"] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("value", [0.5, 0.1, 0.0, 1e-30, -3e4])
@pytest.mark.parametrize("channels", [1, 7])
def test_a_gate_of_one_value_is_a_stripe_and_called_constant(
    write_recording: Callable[..., Path], value: float, channels: int
) -> None:
    exact = np.full((300, channels), value, np.float32)
    rounded = exact.copy()
    rounded[::7] = np.nextafter(rounded[::7], np.float32(1e5))  # the last bit of float32
    values = {"exact": exact} if value == 0 else {"exact": exact, "rounded": rounded}
    table = stripe_index(open_recording(write_recording({0: values})))
    assert table["one_value"].all()
    assert (table["eta2"] == 1).all()


def test_other_gates_are_not_constant(write_recording: Callable[..., Path]) -> None:
    little = 0.5 + 1e-5 * np.random.default_rng(0).random((3, 2))
    values = {"stripe": STRIPE, "images": IMAGES_DECIDE, "little": little}
    table = stripe_index(open_recording(write_recording({0: values})))
    assert not table["one_value"].any()


def test_a_missing_number_is_no_constant(write_recording: Callable[..., Path]) -> None:
    values = np.full((3, 2), 0.5)
    values[0, 0] = np.nan
    (row,) = stripe_index(open_recording(write_recording({0: {"g": values}}))).itertuples()
    assert math.isnan(row.eta2)  # type: ignore[arg-type]
    assert not row.one_value


def test_takes_moments_too(write_recording: Callable[..., Path]) -> None:
    recording = open_recording(write_recording({0: {"g": STRIPE}, 4: {"g": IMAGES_DECIDE}}))
    assert stripe_index(recording).equals(stripe_index(channel_moments(recording)))


def test_a_table_of_something_else_is_one_line(write_recording: Callable[..., Path]) -> None:
    gates = open_recording(write_recording({0: {"g": STRIPE}})).gates
    for statistic in (stripe_index, saturation):
        with pytest.raises(StripeError, match=r"that of stripe\.stats\.channel_moments, and lacks"):
            statistic(gates)


def test_one_image_has_no_spread(write_recording: Callable[..., Path]) -> None:
    assert math.isnan(eta2_of(STRIPE[:1]))
    index = stripe_index(open_recording(write_recording({0: {"g": STRIPE[:1]}})))
    assert index[["eta2", "between_var", "within_var", "median_std"]].isna().all(axis=None)
    assert not index["one_value"].any()
