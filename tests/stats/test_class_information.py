"""How well a gate tells the class, against scikit-learn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from stripe.errors import RecordingError, StripeError
from stripe.recording import open_recording
from stripe.stats import class_information
from stripe.stats.class_information import accuracy, discriminant, fold_of


def test_tells_what_scikit_learn_tells() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice([3, 5, 9], size=90, p=[0.5, 0.3, 0.2])
    known = rng.normal(size=(90, 6)) * np.arange(1, 7) + labels[:, None] / 4
    unknown = rng.normal(size=(400, 6)) * np.arange(1, 7) + 1.5
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(known, labels)
    np.testing.assert_array_equal(
        discriminant(known, labels, unknown, 0.2), theirs.predict(unknown)
    )


def test_folds_hold_every_class_evenly() -> None:
    labels = np.repeat([0, 1, 2], [10, 7, 5])
    of_image = fold_of(labels, 5, seed=1)
    for label, counts in ((0, {2}), (1, {1, 2}), (2, {1})):
        assert set(np.bincount(of_image[labels == label], minlength=5)) == counts


def test_both_ends_of_the_scale(write_recording: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3  # as the fixture labels images
    tells = labels[:, None] + rng.normal(0, 0.05, (150, 2))
    noise = rng.random((150, 2))
    recording = open_recording(write_recording({0: {"tells": tells, "noise": noise}}))
    table = class_information(recording)
    assert table["gate"].tolist() == ["tells", "noise"]
    assert table["accuracy"][0] == 1
    assert table["inputs"][0] == 1  # the fixture's inputs are minus the gates
    assert abs(table["accuracy"][1] - 1 / 3) < 0.1
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()
    assert table["chance"].tolist() == pytest.approx([1 / 3, 1 / 3])


def test_an_image_is_never_among_those_that_tell_its_class() -> None:
    """Features that name the image tell nothing of the others, and in one's own fit everything."""
    labels, features = np.arange(40) % 2, np.eye(40)
    assert accuracy(features, labels, fold_of(labels, 4, 0), 0.1) <= 0.6
    assert (discriminant(features, labels, features, 0.1) == labels).all()


def test_few_images_are_refused(write_recording: Callable[..., Path]) -> None:
    with pytest.raises(
        RecordingError, match=r"at least 2 classes must .* folds \(5\), and 0 of 3 .* do"
    ):
        class_information(write_recording({0: {"g": np.random.default_rng(0).random((12, 2))}}))


def test_a_gate_that_is_not_finite_predicts_nothing(write_recording: Callable[..., Path]) -> None:
    values = np.random.default_rng(0).random((12, 2))
    broken = values.copy()
    broken[2, 1] = np.nan
    path = write_recording({0: {"broken": broken, "whole": values}})
    table = class_information(path, folds=2)
    for column in ("accuracy", "low", "high", "inputs"):
        assert table[column].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    "options", [{"shrinkage": -0.1}, {"shrinkage": 2.0}, {"folds": 2.5}, {"folds": 1}]
)
@pytest.mark.usefixtures("as_a_user")
def test_options_out_of_range(options: Any, write_recording: Callable[..., Path]) -> None:
    path = write_recording({0: {"g": np.random.default_rng(0).random((12, 2))}})
    with pytest.raises(
        StripeError, match=r"folds must be an integer, got 2.5|folds .* and shrinkage a number .*\Z"
    ):
        class_information(path, **options)
