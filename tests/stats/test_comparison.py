"""Two recordings beside each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from scipy import stats as scipy_stats
from torch import Tensor

import stripe
from stripe import plots, stats
from stripe.errors import RecordingError, StripeError
from stripe.stats.comparison import STATISTICS, _resampled

Write = Callable[..., Path]


def row(table: Any, gate: str = "g", statistic: str = "eta2") -> Any:
    return table.set_index(["gate", "statistic"]).loc[(gate, statistic)]


def noisy(spread: float, seed: int = 0, images: int = 60) -> np.ndarray:
    """Return gates of four channels around 0.2, 0.4, 0.6, 0.8."""
    rng = np.random.default_rng(seed)
    noise: np.ndarray = rng.normal(0, spread, (images, 4))
    gates: np.ndarray = np.array([0.2, 0.4, 0.6, 0.8]) + noise
    return gates


def test_by_hand(write_recording: Write, tmp_path: Path) -> None:
    """A stripe of channels 0 and 1, and a gate that is 0 or 1 by the image: eta2 of 1 and 0."""
    stripe_gate = np.array([[0.0, 1.0]] * 4)
    by_image = np.array([[0.0, 0.0], [1.0, 1.0]] * 2)
    one = write_recording({0: {"g": stripe_gate}}, path=tmp_path / "one", dataset="toys")
    other = write_recording({0: {"g": by_image}}, path=tmp_path / "other", dataset="toys")
    table = stripe.compare([one, other], names=["SE", "ASR(SE)"])
    columns = ["gate", "statistic", "SE", "ASR(SE)", "difference", "low", "high"]
    assert table.columns.tolist() == columns
    assert table["statistic"].tolist() == STATISTICS
    values = [tuple(row(table, statistic=s)[["SE", "ASR(SE)"]]) for s in STATISTICS]
    assert values == [(1, 0), (0.25, 0), (0, 0.25), (0, 0.5)]
    assert row(table)["difference"] == -1
    assert (table.attrs["over"], table.attrs["n"], table.attrs["paired"]) == (
        "images",
        [4, 4],
        True,
    )


def test_values_are_those_of_the_stripe_index(write_recording: Write, tmp_path: Path) -> None:
    gates = {"g": noisy(0.1), "h": noisy(0.3, seed=1)}
    paths = [
        write_recording({0: gates}, path=tmp_path / "a"),
        write_recording({0: {"h": noisy(0.2), "g": noisy(0.2, seed=3)}}, path=tmp_path / "b"),
    ]
    table = stats.compare(paths)
    assert table["gate"].tolist() == ["g"] * 4 + ["h"] * 4  # in the order of the first
    for name, path in zip("ab", paths, strict=True):
        index = stats.stripe_index(path).set_index("gate")
        for gate in "gh":
            for statistic in STATISTICS:
                assert row(table, gate, statistic)[name] == index.loc[gate, statistic]
    assert (table["low"] <= table["high"]).all()


def without_bias(sample: np.ndarray) -> np.ndarray:
    """Return the statistics of a resample (..., images, channels), corrected as in the formula."""
    n, shared = sample.shape[-2], sample.mean(-1).var(-1)
    between, within = sample.mean(-2).var(-1), sample.var(-2).mean(-1)
    between = np.maximum(between - 2 * (within - shared) / n, 0)
    within = within * (n / (n - 1)) ** 2
    median = np.median(sample.std(-2), axis=-1) * n / (n - 1)
    return np.stack([between / (between + within), between, within, median])


def test_resamples_are_those_of_a_loop() -> None:
    values = noisy(0.2).astype(np.float32)
    rng = np.random.default_rng(5)
    counts = rng.multinomial(60, np.full(60, 1 / 60), size=100)
    expected = [without_bias(np.repeat(values.astype(float), drawn, axis=0)) for drawn in counts]
    np.testing.assert_allclose(_resampled(values, 100, 5), expected, rtol=1e-9)


def test_the_interval_is_that_of_an_independent_bootstrap(
    write_recording: Write, tmp_path: Path
) -> None:
    """That of scipy, whose ends agree up to its own randomness."""
    first, second = (noisy(spread, seed) for seed, spread in enumerate((0.2, 0.3)))

    def difference(index: np.ndarray, axis: int = -1) -> np.ndarray:
        chosen = index.astype(int)
        both = [values.astype(np.float32).astype(float)[chosen] for values in (first, second)]
        found: np.ndarray = without_bias(both[1])[0] - without_bias(both[0])[0]
        return found

    found = scipy_stats.bootstrap(
        (np.arange(60),), difference, method="percentile", n_resamples=4000,
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    paths = [
        write_recording({0: {"g": values}}, path=tmp_path / name)
        for name, values in (("a", first), ("b", second))
    ]
    ours = row(stats.compare(paths, resamples=4000))
    np.testing.assert_allclose(
        [ours["low"], ours["high"]], found, atol=0.06 * (found.high - found.low)
    )


def test_a_rare_exception_may_be_in_no_resample(write_recording: Write, tmp_path: Path) -> None:
    """A saturated gate with one other value: the difference from a stripe is uncertain."""
    saturated = np.ones((64, 16))
    saturated[3, 5] = 0.5
    paths = [
        write_recording({0: {"g": values}}, path=tmp_path / name)
        for name, values in (("a", saturated), ("b", np.tile(np.arange(16.0), (64, 1))))
    ]
    found = row(stats.compare(paths))
    assert found["difference"] > 0.9
    assert found["low"] == 0
    assert 0.9 < found["high"] <= 1


@pytest.mark.slow
def test_the_interval_of_few_images_holds_the_true_difference(
    write_recording: Write, tmp_path: Path
) -> None:
    """Of 20 images and 64 channels; a percentile bootstrap holds it in 21 of 40 samples."""
    rng, true = np.random.default_rng(0), {"a": 0.8, "b": 0.4}
    means = rng.standard_normal(64)
    means = (means - means.mean()) / means.std()
    held = 0
    for sample in range(40):
        paths = []
        for name, eta2 in true.items():
            noise = rng.standard_normal((20, 64))
            gates = np.sqrt(eta2) * means + np.sqrt(1 - eta2) * noise
            images = np.arange(20) + 20 * (name == "b")
            path = tmp_path / f"{name}{sample}"
            paths.append(write_recording({0: {"g": gates}}, path=path, images=images))
        with pytest.warns(UserWarning, match="recordings hold images of different indices"):
            found = row(stats.compare(paths, resamples=400))
        held += found["low"] <= true["b"] - true["a"] <= found["high"]
    assert held >= 35


def test_the_same_run_does_not_differ_from_itself_in_pairs(
    write_recording: Write, tmp_path: Path
) -> None:
    paths = [write_recording({0: {"g": noisy(0.2)}}, path=tmp_path / name) for name in "ab"]
    table = stats.compare(paths)
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)


def test_other_images_are_drawn_on_their_own(write_recording: Write, tmp_path: Path) -> None:
    same = {0: {"g": noisy(0.2)}}
    one = write_recording(same, path=tmp_path / "a")
    other = write_recording(same, path=tmp_path / "b", images=np.arange(60) + 60)
    with pytest.warns(
        UserWarning, match=r"not paired, because the recordings hold images of different"
    ):
        found = stats.compare([one, other])
    assert not found.attrs["paired"]
    assert row(found)["low"] < 0 < row(found)["high"]


def test_gates_of_one_side_are_named(
    write_recording: Write, tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    rng = np.random.default_rng(0)
    paths = [
        write_recording({0: {g: rng.random((6, 4)) for g in gates}}, path=tmp_path / gates)
        for gates in ("gh", "gij")
    ]
    with pytest.warns(UserWarning, match=r"do not have are not compared: h, i, j\Z"):
        table = stats.compare(paths, resamples=100)
    assert table["gate"].unique().tolist() == ["g"]
    assert table.attrs["left_out"] == ["h", "i", "j"]
    texts = [text.get_text() for text in plots.compare(table).figure.findobj(Text)]
    assert any("without 3 gates of one side" in text for text in texts)
    with pytest.warns(UserWarning, match="are not compared: h, i, j"):
        run("stats", "compare", *paths, "--resamples=100")


def test_maps_of_both_sides_are_no_gates_of_one(images: Tensor, tmp_path: Path) -> None:
    model = stripe.build("resnet8_basic", attention="cbam", num_classes=10, in_channels=1)
    for name in "ab":
        stripe.record(model, [images], tmp_path / name, spatial=True, dataset="x", progress=False)
    table = stats.compare([tmp_path / "a", tmp_path / "b"], resamples=100)
    assert table.attrs["left_out"] == []


def test_the_seed_decides(write_recording: Write, tmp_path: Path) -> None:
    paths = [
        write_recording({0: {"g": noisy(spread)}}, path=tmp_path / str(spread))
        for spread in (0.1, 0.3)
    ]
    first, again, other = (stats.compare(paths, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first["low"].equals(other["low"])
    assert first["difference"].equals(other["difference"])


def test_a_command_compares_lists_of_seeds(
    write_recording: Write, tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    paths = {}
    for side, spread in (("a", 0.1), ("b", 0.3)):
        for seed in range(2):
            gates = {0: {"g": noisy(spread, seed)}}
            paths[f"{side}{seed}"] = write_recording(gates, path=tmp_path / side / str(seed))
    first, second = [paths["a0"], paths["a1"]], [paths["b0"], paths["b1"]]
    names = ["--names", "SE", "ECA"]
    code, said = run("stats", "compare", *first, "--versus", *second, *names, "--json")
    assert code == 0, said
    expected = stats.compare([first, second], names=["SE", "ECA"])
    assert said.strip() == expected.to_json(orient="records", indent=1)
    code, said = run("stats", "compare", *first, "--versus", *second)
    assert "95 % intervals over seeds (Welch), n = 2\n" in said
    picture = tmp_path / "compare.png"
    assert run("plot", "compare", *first, "--versus", *second, "--out", picture)[0] == 0
    assert picture.exists()
    code, said = run("stats", "compare", *first, *second)
    assert (code, "separate the seeds of the second side by --versus" in said) == (1, True)
    code, said = run("stats", "compare", *first, "--versus", paths["b0"])
    assert (code, "both lists of at least two recordings" in said) == (1, True)


def test_epochs_of_one_run(write_recording: Write, tmp_path: Path) -> None:
    path = write_recording({0: {"g": noisy(0.1)}, 5: {"g": noisy(0.4)}}, path=tmp_path / "a")
    table = stats.compare(path, epoch=[0, 5])
    assert table.columns[2:4].tolist() == ["a, epoch 0", "a, epoch 5"]
    assert row(table)["high"] < 0


def test_over_seeds_it_is_welchs_interval(write_recording: Write, tmp_path: Path) -> None:
    sides = [
        [
            write_recording(
                {0: {"g": noisy(spread, seed=seed)}}, path=tmp_path / name / f"seed{seed}"
            )
            for seed in range(count)
        ]
        for name, spread, count in (("x", 0.1, 3), ("y", 0.2, 4))
    ]
    table = stats.compare(sides, names=["x", "y"], level=0.9)
    index = [[stats.stripe_index(run)["eta2"].iloc[0] for run in side] for side in sides]
    expected = scipy_stats.ttest_ind(index[1], index[0], equal_var=False).confidence_interval(0.9)
    np.testing.assert_allclose(row(table)[["low", "high"]].astype(float), expected)
    assert row(table)["x"] == pytest.approx(np.mean(index[0]))
    assert (table.attrs["over"], table.attrs["n"]) == ("seeds", [3, 4])


def test_seeds_that_agree_have_no_width(write_recording: Write, tmp_path: Path) -> None:
    sides = [
        [write_recording({0: {"g": np.eye(2)}}, path=tmp_path / f"{side}{n}") for n in range(2)]
        for side in "xy"
    ]
    table = stats.compare(sides)
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)


@given(st.integers(1, 6), st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_samples_keep_the_law_of_total_variance(channels: int, images: int, seed: int) -> None:
    values = np.random.default_rng(seed).random((images, channels)).astype(np.float32)
    eta2, between, within, _ = _resampled(values, 100, seed).T
    assert ((eta2 >= 0) & (eta2 <= 1)).all()
    total = between + within
    kept = total > 1e-9
    np.testing.assert_allclose(eta2[kept], between[kept] / total[kept], atol=1e-6)


@pytest.mark.parametrize(
    ("sides", "options", "message"),
    [
        ("a", {}, r"two sides, or one recording at two epochs, got 1 \(a\)"),
        (["a", "b", "c"], {}, r"two sides, or one recording at two epochs, got 3 \(a, b, c\)"),
        (["a", ["a", "b"]], {}, "got a recording and a list of 2"),
        ([["a"], ["b"]], {}, "both lists of at least two .*, got a list of 1 and a list of 1"),
        (["a", "b"], {"names": ["gate", "x"]}, "names must differ from each other and from gate"),
        (["a", "b"], {"level": 1.0}, "level must be above 0 and below 1, got 1.0"),
        (["a", "b"], {"resamples": 5}, "resamples must be at least 100, got 5"),
        (["a", "d"], {}, "at least 4 images on each side, got 4 and 3"),
        (["a", "c"], {}, "must have gates of the same names to be compared"),
        ([["a", "c"], ["b", "a"]], {}, "must have gates of the same names to be compared"),
        (["a", "b"], {"epoch": 3}, "holds no epoch 3"),
        ([["a", "b"], ["a", "b"]], {"names": ["x"]}, "names and epochs must be one per side"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    write_recording: Write, tmp_path: Path, sides: Any, options: Any, message: str
) -> None:
    for name in "abcd":
        gate = "other" if name == "c" else "g"
        write_recording({0: {gate: np.eye(3 if name == "d" else 4)}}, path=tmp_path / name)

    def at(side: Any) -> Any:
        return tmp_path / side if isinstance(side, str) else [at(each) for each in side]

    with pytest.raises((StripeError, RecordingError), match=message):
        stats.compare(at(sides), **options)
