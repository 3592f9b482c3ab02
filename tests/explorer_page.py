"""The page of the explorer in a browser, and what tests wait for in it."""

from typing import Any

import pytest

#: Waits until what was asked for has been drawn.
DRAWN = "() => document.querySelector('.sx')?.explorer?.lead?.gate === {!r}"
#: Waits until the address, or the kernel, has the view, which is told once it has rested.
TOLD = "() => document.querySelector('.sx').explorer.telling === null"
#: Colours of the middle line of the heat map, across.
MIDDLE = """() => {
  const { lead } = document.querySelector('.sx').explorer, { left, top, width, height } = lead.box;
  const pen = lead.canvas.getContext('2d');
  return [...pen.getImageData(left + 2, top + height / 2, width - 4, 1).data];
}"""


def opened(browser: Any, address: str, width: int = 1400, *, offline: bool = False) -> Any:
    """Open a page whose errors fail the test."""
    page = browser.new_page(viewport={"width": width, "height": 850}, offline=offline)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(address)
    page.wait_for_function("() => document.querySelector('.sx')?.explorer?.lead", timeout=60_000)
    return page


def view_of(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("() => document.querySelector('.sx').explorer.view")
    return found
