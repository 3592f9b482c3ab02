"""One verdict per claim: toys by hand, the list of claims, and the page."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stripe.reproduce.findings import findings, written
from stripe.reproduce.findings_page import findings_page
from stripe.reproduce.paper.catalogue import exhibit, list_exhibits
from stripe.reproduce.paper.claims import CLAIMS, Claim
from stripe.reproduce.paper.desk import DESK
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.reproduction import Reproduction, reproduction
from stripe.reproduce.store.runs import address

TEST = SCALES["test"]
TWO = Claim("two beat one", "points", ("table6",))
#: Of SE, IE, SRM and SPA in Table 6: how much better two are than one, by seed.
GAINS: dict[str, tuple[float, ...]] = {
    "SE": (1.0, 2.0),
    "IE": (2.0, 3.0),
    "SRM": (3.0, 4.0),
    "SPA": (4.0, 5.0),
}


def published(
    folder: Path, gains: dict[str, tuple[float, ...]], best: float = 9.0, name: str = "table6"
) -> Path:
    """Publish Table 6 or 14: one has 50 % in the last epoch and 60 % in the best."""
    rows: list[dict[str, Any]] = []
    for cell in exhibit(name).cells:
        copies = int(cell.setting[-1])
        for seed, gain in enumerate(gains[cell.method[4:-1]]):
            two = copies == 2
            run = address(exhibit(name).kind.planned(TEST, cell, seed)[-1])
            rows.append(
                {"dataset": cell.dataset, "backbone": cell.backbone, "method": cell.method,
                 "setting": cell.setting, "seed": seed, "run": run, "metric": "top1",
                 "last": 50 + two * gain, "best": 60 + two * best, "last_ten": 50, "machine": ""}
            )  # fmt: skip
    folder.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / f"{name}-runs.csv", index=False)
    return folder


def from_published(folder: Path, name: str) -> Reproduction:
    return reproduction(exhibit(name), TEST, store=folder / "none", published=folder)


def row_of(folder: Path, *claims: Claim) -> dict[str, Any]:
    table = findings(partial(from_published, folder), claims or (TWO,))
    return {str(column): value for column, value in table.iloc[0].items()}


def test_contrasts_are_averaged_within_a_seed_first(tmp_path: Path) -> None:
    """Seed 0 has 1, 2, 3, 4 and so 2.5, seed 1 has 3.5: the mean is 3 and the interval wide."""
    row = row_of(published(tmp_path, GAINS))
    expected = stats.ttest_1samp([2.5, 3.5], 0)
    assert row["ours"] == pytest.approx(3.0)
    interval = expected.confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["p"] == pytest.approx(expected.pvalue)
    assert (row["n"], row["contrasts"], row["verdict"]) == (2, 4, "undecided")
    assert row["best"] == pytest.approx(9.0)
    # Of Table 6: 0.51, 0.13, 0.22, 0.31.
    assert row["paper"] == pytest.approx((0.51 + 0.13 + 0.22 + 0.31) / 4)
    # 3 sqrt(n) / 0.71 must be t(0.975) + t(0.8): 4.30 + 1.06 at n = 3, which 7.3 exceeds.
    assert row["seeds"] == 3
    assert row["trained"] == "resnet11 on fashion-mini"


def test_verdicts_before_and_after_correction(tmp_path: Path) -> None:
    """p is 0.0127 for 5.0 and 5.2: alone it holds, and of four equal claims none does."""
    folder = published(tmp_path, dict.fromkeys(GAINS, (5.0, 5.2)))
    alone = row_of(folder)
    assert (alone["verdict"], alone["corrected"]) == ("holds here", "holds here")
    assert alone["p"] == alone["holm"] == pytest.approx(0.01248, rel=1e-3)
    first = row_of(folder, *4 * [TWO])
    assert first["holm"] == pytest.approx(4 * 0.01248, rel=1e-3)
    assert first["corrected"] == "holds here"
    assert row_of(folder, *5 * [TWO])["corrected"] == "undecided"
    assert np.isnan(first["seeds"])


def test_a_claim_that_the_numbers_contradict(tmp_path: Path) -> None:
    row = row_of(published(tmp_path, dict.fromkeys(GAINS, (-5.0, -5.1))))
    assert (row["verdict"], row["corrected"]) == ("does not hold", "does not hold")


def test_only_seeds_that_all_contrasts_have(tmp_path: Path) -> None:
    row = row_of(published(tmp_path, {**GAINS, "SPA": (4.0,)}))
    assert (row["n"], row["ours"], row["verdict"]) == (1, 2.5, "one seed")
    assert row_of(published(tmp_path, {**GAINS, "SPA": ()}))["verdict"] == "missing"


def test_some_contrasts_of_several_exhibits(tmp_path: Path) -> None:
    only = Claim("SE", "points", ("table6", "table14"), r".* ASR\(SE\) .*")
    folder = published(tmp_path, GAINS, name="table14")
    published(folder, {**GAINS, "SE": (3.0, 4.0)})
    row = row_of(folder, only)
    # Both exhibits show the same runs, and the numbers that are read last count.
    assert (row["contrasts"], row["ours"]) == (2, pytest.approx(3.5))
    assert row["exhibits"] == "table6, table14"


def test_what_has_no_result_is_named_as_missing(tmp_path: Path) -> None:
    theorem = Claim("a theorem", "ratio", ())
    table = findings(partial(from_published, published(tmp_path, GAINS)), (TWO, theorem))
    assert table["verdict"].tolist() == ["undecided", "missing"]
    assert table["corrected"].tolist() == ["undecided", "missing"]
    assert table["holm"][0] == table["p"][0]  # what was not tested is not counted
    page = findings_page(table, DESK, "stripe findings")
    assert "These claims have no result at this scale:\n\n- a theorem\n" in page
    assert "| a theorem (no exhibit) | ratio | no number | missing |" in page
    assert (
        "Verdicts on the paper's 2 claims, after correction: undecided 1, missing 1. Of the" in page
    )
    assert "no verdict means anything" not in page
    assert "**At this scale no verdict means anything.**" in findings_page(table, TEST, "x")


def test_the_page_in_words(tmp_path: Path) -> None:
    table = findings(partial(from_published, published(tmp_path, GAINS)), (TWO,))
    (row,) = written(table).to_dict("records")
    assert row == {
        "claim": "two beat one (table6)",
        "number above zero": "points",
        "paper": "+0.29",
        "ours (last epoch)": "+3.00",
        "95 % interval": "-3.35 to +9.35",
        "best epoch": "+9.00",
        "n": "2 x 4",
        "on": "resnet11 on fashion-mini",
        "uncorrected verdict": "undecided",
        "verdict after Holm": "undecided (p = 0.11; 3 seeds)",
    }
    (row,) = written(table.assign(planned=5), {"two beat": "a limit"}).to_dict("records")
    assert row["n"] == "2 of 5 x 4"
    assert row["verdict after Holm"] == "undecided (p = 0.11; 3 seeds; limited)"


def test_the_papers_number_stands_where_a_scale_has_no_stand_in(tmp_path: Path) -> None:
    """VGG19 of Table 3 gains 0.72, 1.25, 1.12, 1.00 on STL10, and so on; the mean is of all 12."""
    (vgg,) = (claim for claim in CLAIMS if "VGG19" in claim.words)
    row = row_of(tmp_path, vgg)
    stl10, cifar100, cifar10 = (4.09, 3.57, 2.32)
    assert row["paper"] == pytest.approx((stl10 + cifar100 + cifar10) / 12)
    assert (row["verdict"], row["trained"], row["contrasts"]) == ("missing", "", 0)


def test_the_papers_number_is_the_mean_of_the_cells_that_a_run_replaces() -> None:
    """One data set replaces CIFAR10 and CIFAR100, on which ASR(SE) gains 0.51 and 2.04 points."""
    found = reproduction(exhibit("table3"), DESK, store=Path("none"))
    tested = [one for one in found.tested() if "mobilenet ASR(SE)" in one.contrast.label]
    assert [one.paper for one in tested] == [pytest.approx((0.51 + 2.04) / 2)]


def test_every_claim_has_contrasts_in_its_exhibits(tmp_path: Path) -> None:
    """And every exhibit but those that show the same runs again has a claim."""
    named = {name for claim in CLAIMS for name in claim.parts}
    assert set(list_exhibits()) - named == {"table14", "figure19", "figure20", "figure21"}
    for claim in CLAIMS:
        for name in claim.parts:
            assert any(map(claim.tests, exhibit(name).contrasts)), claim.words
    assert all(claim.parts for claim in CLAIMS)
    assert len({claim.words for claim in CLAIMS}) == len(CLAIMS)


def test_no_contrast_of_a_table_is_left_out_or_counted_twice() -> None:
    tables = (f"table{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 13))
    for name in (*tables, "figure3", "figure4", "theorem"):
        of_exhibit = [claim for claim in CLAIMS if name in claim.parts]
        for contrast in exhibit(name).contrasts:
            assert sum(claim.tests(contrast) for claim in of_exhibit) == 1, contrast.label


@pytest.mark.slow  # reads all published reports
def test_the_command_writes_the_page(tmp_path: Path, run: Callable[..., tuple[int, str]]) -> None:
    options = ("--scale=test", "--store", tmp_path / "none",
               "--reports", published(tmp_path / "out", GAINS))  # fmt: skip
    page = tmp_path / "docs" / "findings.md"
    code, said = run("findings", *options, "--out", page)
    assert (code, said) == (0, "")
    text = page.read_text()
    assert text.startswith("# Findings: the paper's claims at the scale test\n")
    assert "| two ASRs beat one (table6) |" in text
    assert "Made by `" in text
    code, said = run("findings", *options, "--json")
    assert code == 0
    rows = {row["claim"]: row for row in json.loads(said)}
    assert rows["two ASRs beat one"]["ours"] == 3
    assert rows["ASR improves RepVGG"]["verdict"] == "missing"
    assert len(rows) == len(CLAIMS)
