"""The report of an audit in a browser: its table sorts and filters without a network."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import stripe

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_the_table_sorts_and_filters_offline(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    torch.manual_seed(0)
    model = stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1)
    images = torch.rand(8, 1, 28, 28)
    asked: Any = {"alone": True, "controls": True, "optimal": True}
    found = stripe.audit(model, [images], tmp_path / "r.html", rounds=1, progress=False, **asked)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(offline=True)
        page = context.new_page()
        page.goto((tmp_path / "r.html").as_uri(), wait_until="domcontentloaded")
        titles = [
            "Sets of gates that were measured",
            "Controls",
            "Learned constants beside the means",
        ]
        assert page.locator("h2").all_inner_texts()[:3] == titles
        counts = [table.locator("tbody tr").count() for table in page.locator("table").all()]
        assert counts == [len(found.greedy), 7, 3, 3]
        costs = page.locator('#gates td[data-label="measured cost"]').all_inner_texts()
        assert [float(cost) for cost in costs] == pytest.approx(found.gates["kl"], rel=0.06)
        names = page.locator("#gates tbody tr:visible td:nth-child(2)")
        forward = found.gates["gate"].tolist()
        assert names.all_inner_texts() == forward
        page.locator("#gates th", has_text="median std").click()
        ordered = found.gates.sort_values("median_std", kind="stable")["gate"].tolist()
        assert names.all_inner_texts() == ordered
        page.locator("#gates th", has_text="median std").click()
        assert names.all_inner_texts() == ordered[::-1]
        page.locator("#gates th", has_text="variance of channel").click()
        by_channel = found.gates.sort_values("channel", kind="stable")["gate"].tolist()
        assert names.all_inner_texts() == by_channel
        assert "Not measured here" not in page.content()
        page.locator("#gates tbody tr").first.evaluate(
            "row => { row.querySelector('[data-label=\"measured cost\"]').textContent = '\\u2013' }"
        )
        for _ in ("up", "down"):
            page.locator("#gates th", has_text="measured cost").click()
            assert names.all_inner_texts()[-1] == by_channel[0]  # a dash comes last
        page.locator("#filter").fill(forward[1])
        assert names.all_inner_texts() == [forward[1]]
        browser.close()
