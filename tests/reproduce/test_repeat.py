"""Repetitions of randomly drawn published runs."""

from pathlib import Path

import pandas as pd
import pytest

from stripe.cli import main
from stripe.errors import StripeError
from stripe.reproduce.engines import Local
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.published import runs_file
from stripe.reproduce.repeat import drawn, repeated
from stripe.reproduce.report import write_reproduction
from stripe.reproduce.reproduction import Reproduction, reproduction


@pytest.fixture
def published(tmp_path: Path) -> Reproduction:
    """Publish the numbers of three runs of Table 9 at the smallest scale."""
    found = reproduction(exhibit("table9"), SCALES["test"], store=tmp_path / "first", seeds=[0])
    Local(workers=1, device="cpu").run(found.needed[:3], progress=False)
    write_reproduction(found, tmp_path / "reports")
    return found


@pytest.mark.slow
def test_a_repeated_run_is_equal_to_the_bit_or_told(
    published: Reproduction, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports, store = tmp_path / "reports", tmp_path / "again"
    draws = drawn([published], reports, count=2, seed=0, store=store)
    assert len({draw.published.config.out.name for draw in draws}) == 2
    table = repeated(draws, Local(workers=1, device="cpu"))
    assert table["equal"].all()
    assert set(table["metric"]) == {"top1", "top5"}
    assert {path.name for path in store.iterdir() if path.is_dir()} == set(table["run"])

    file = runs_file(reports, "table9")
    numbers = pd.read_csv(file, dtype={"last": float})
    numbers["last"] += 1e-12
    numbers.to_csv(file, index=False)
    with pytest.raises(StripeError, match="is finished; choose another store"):
        repeated(draws, Local(workers=1, device="cpu"))
    command = ["sweep", "repeat", "table9", "--scale=test", "--seeds=1", f"--store={store}-2"]
    with pytest.raises(SystemExit, match="1"):
        main([*command, f"--reports={reports}", "--count=50", "--device=cpu", "--workers=1"])
    assert "False" in capsys.readouterr().out


def test_nothing_published(tmp_path: Path) -> None:
    found = reproduction(exhibit("table9"), SCALES["test"], store=tmp_path / "store", seeds=[0])
    with pytest.raises(StripeError, match="has no numbers of these exhibits that can be repeated"):
        drawn([found], tmp_path, count=1, seed=0, store=tmp_path / "store")
    with pytest.raises(SystemExit, match="2"):
        main(["sweep", "repeat", "table9", "--count=0"])
