"""Shares of variance: a table by hand, an analysis of variance, and known truths."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import f_oneway

from stripe.recording import open_recording
from stripe.stats import stripe_index, variance_components
from stripe.stats.variance_components import components_of

#: Two channels; images 0 and 1 are of class 0, images 2 and 3 of class 1.
V = np.array([[0.0, 10], [2, 12], [4, 10], [6, 12]])
LABELS = np.array([0, 0, 1, 1])


def test_by_hand() -> None:
    """Channel means 3 and 11; class means 1, 5 and 11, 11; every image 1 from its class mean.

    Sums of squares: channel 4 * 16 * 2 = 128, df 1; class 2 * (4 + 4) = 16, df 2; image 8, df 4.
    Mean squares 128, 8, 2. So image 2, class (8 - 2) / 2 = 3, channel (128 - 2 - 2 * 3) / 4 = 30.
    Without classes: within 24, df 6, mean square 4.
    """
    found = components_of(V, LABELS)
    assert [found[part] for part in ("channel", "class", "image")] == pytest.approx(
        [30 / 35, 3 / 35, 2 / 35]
    )
    assert found["class_icc"] == pytest.approx(3 / 5)
    assert found["eta2"] == pytest.approx(128 / 152)
    assert found["omega2"] == pytest.approx((128 - 4) / (152 + 4))
    assert found["icc"] == pytest.approx((128 - 4) / (128 + 3 * 4))


def test_without_labels_class_is_missing() -> None:
    found = components_of(V, None)
    assert found["channel"] == pytest.approx(31 / 35)
    assert found["image"] == pytest.approx(4 / 35)
    assert np.isnan(found["class"])
    assert np.isnan(found["class_icc"])


@pytest.mark.parametrize("labels", [np.zeros(4, dtype=int), np.arange(4)], ids=["one", "each"])
def test_classes_that_cannot_be_told_from_images_are_missing(labels: np.ndarray) -> None:
    found = components_of(V, labels)
    assert found == pytest.approx(components_of(V, None), nan_ok=True)
    assert found["channel"] + found["image"] == pytest.approx(1)


def test_agrees_with_scipys_analysis_of_variance() -> None:
    """ICC(1) is (F - 1) / (F + n - 1)."""
    values = np.random.default_rng(0).random((30, 8)) + np.arange(8) / 10
    f = f_oneway(*values.T).statistic
    found = components_of(values, None)
    assert found["icc"] == pytest.approx((f - 1) / (f + 29))
    assert found["omega2"] == pytest.approx(7 * (f - 1) / (7 * (f - 1) + 240))


def test_finds_the_shares_that_were_put_in() -> None:
    rng, classes = np.random.default_rng(0), np.repeat([0, 1, 2, 3, 4, 5], [5, 10, 20, 5, 10, 30])
    shares = []
    for _ in range(300):
        of_class = rng.normal(0, 2, (6, 40))
        values = 3 * rng.normal(size=40) + of_class[classes] + rng.normal(size=(80, 40))
        found = components_of(values, classes)
        shares.append([found["channel"], found["class"], found["image"]])
    np.testing.assert_allclose(np.mean(shares, 0), [9 / 14, 4 / 14, 1 / 14], atol=0.02)


def test_a_share_of_nothing_is_zero_on_average() -> None:
    rng = np.random.default_rng(0)
    found = [components_of(rng.random((12, 6)), np.arange(12) % 3) for _ in range(400)]
    for name in ("omega2", "icc", "channel", "class"):
        assert abs(np.mean([row[name] for row in found])) < 0.02, name
    assert np.mean([row["eta2"] for row in found]) > 0.05


def test_reads_a_recording(write_recording: Callable[..., Path]) -> None:
    recording = open_recording(write_recording({0: {"g": V, "one": np.ones((4, 2))}}))
    table = variance_components(recording)
    assert table["gate"].tolist() == ["g", "one"]
    assert table.loc[0, "eta2"] == pytest.approx(stripe_index(recording).loc[0, "eta2"])
    expected = components_of(V, np.arange(4) % 3)
    assert table.loc[0, "class"] == pytest.approx(expected["class"])
    assert table.loc[1, ["eta2", "omega2", "icc", "channel"]].isna().all()


def test_rounding_has_no_shares() -> None:
    values = np.full((50, 8), 0.5, dtype=np.float32)
    values[::3] += np.float32(6e-8)
    shares = components_of(values, np.arange(50) % 3)
    assert all(np.isnan(share) for share in shares.values())


def test_one_image_has_no_shares() -> None:
    found = components_of(np.array([[0.1, 0.9, 0.5]], np.float32), None)
    assert np.isnan(list(found.values())).all()
