"""How fast the explorer opens and draws, in a real Chromium.

    python -m benchmarks.explorer

A recording of a gigabyte of float32 (one epoch of 12 gates of 2,048 channels over 10,000 images,
half of it stripe and half noise) is written to a temporary folder. `stripe explore` serves it.
Measured: the seconds from the request of the page until all gates are listed and the deepest is
drawn, until all gates have their numbers, and the frames per second of 120 steps of zoom and 120
of pan over 10,000 x 2,048 cells, at a window of 1,400 x 850 without a graphics card. The time of
a frame is between two callbacks of `requestAnimationFrame`, which come at most 60 times a second;
beside it stands the time that drawing takes.
"""

import argparse
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import save
from benchmarks.large import write
from stripe.explorer.serve import ExplorerServer
from stripe.explorer.slices import Slices

_LISTED = """() => {
  const explorer = document.querySelector('.sx')?.explorer;
  return explorer?.lead && document.querySelectorAll('.sx-card').length === explorer.gates.length;
}"""
_FILLED = "() => { const { explorer } = document.querySelector('.sx'); " \
          "return explorer.glances.size === explorer.gates.length; }"  # fmt: skip
_FRAMES = """async (kind) => {
  const { explorer } = document.querySelector('.sx'), frames = [], drawing = [];
  const rest = () => new Promise(requestAnimationFrame);
  explorer.setZoom([0, 1, 0, 1]);
  if (kind === 'pan') explorer.setZoom([0, 0.2, 0, 0.2]);
  await rest();
  let last = await rest();
  for (let frame = 0; frame < 120; frame++) {
    if (kind === 'zoom') explorer.zoomAt(0.4, 0.6, 0.96, 0.96);
    else explorer.pan(explorer.zoom, 0.03, 0.03);
    const before = performance.now();
    explorer.lead.draw();
    drawing.push(performance.now() - before);
    const now = await rest();
    frames.push(now - last);
    last = now;
  }
  return { frames, drawing };
}"""


def rates(found: dict[str, list[float]]) -> dict[str, float]:
    """Return frames per second, and the times of a frame and of drawing one, in milliseconds."""
    frames, drawing = np.array(found["frames"]), np.array(found["drawing"])
    return {
        "frames_per_second": round(1000 / float(frames.mean()), 1),
        "frame_median_ms": round(float(np.median(frames)), 1),
        "frame_95_percent_ms": round(float(np.quantile(frames, 0.95)), 1),
        "drawing_median_ms": round(float(np.median(drawing)), 2),
        "drawing_max_ms": round(float(drawing.max()), 1),
    }


def measured(address: str, rounds: int) -> dict[str, Any]:
    """Open the page so many times, and move over it."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    listed, filled, moved = [], [], {"zoom": [], "pan": []}  # type: ignore[var-annotated]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1400, "height": 850})
            start = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.wait_for_function(_LISTED, timeout=120_000)
            listed.append(round(time.perf_counter() - start, 2))
            page.wait_for_function(_FILLED, timeout=300_000)
            filled.append(round(time.perf_counter() - start, 2))
            for kind, found in moved.items():
                found.append(rates(page.evaluate(_FRAMES, kind)))
            page.close()
        version = browser.version
        browser.close()
    return {
        "chromium": version,
        "seconds_until_drawn": listed,
        "seconds_until_all_numbers": filled,
        **moved,
    }


def main() -> None:
    """Write the recording, serve it, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=12)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--channels", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    shape = {"gates": options.gates, "images": options.images, "channels": options.channels}
    busy = {"load_average": [round(load, 1) for load in os.getloadavg()]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        write(path, **shape)
        start = time.perf_counter()
        server = ExplorerServer(Slices(path), view={})
        opened = round(time.perf_counter() - start, 3)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        found = measured(server.address, options.rounds)
        server.shutdown()
    megabytes = round(4e-6 * options.gates * options.images * options.channels)
    save(
        "explorer",
        {**shape, "megabytes_of_values": megabytes, "seconds_to_open": opened, **busy, **found},
    )


if __name__ == "__main__":
    main()
