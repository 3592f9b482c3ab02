"""Join the files in page/ to the page of the explorer, for the server and `Explorer.save`."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from stripe.errors import StripeError
from stripe.explorer.pictures import SIDE
from stripe.explorer.slices import Slices

#: Scripts, ordered so that each uses only earlier ones, except inside functions.
_SCRIPTS = ("source", "matrix", "clusters", "raster", "parts", "view", "save", "svg", "panel",
            "gates", "steps", "details", "app")  # fmt: skip
#: Largest number of bytes of values in a file, before compression.
MOST_BYTES = 64_000_000


@cache
def script() -> str:
    """Return the code of the page, as one script without imports."""
    return "\n".join(_part(f"{name}.js") for name in _SCRIPTS)


@cache
def style() -> str:
    """Return the style sheet of the page, whose rules apply inside the explorer alone."""
    return _part("style.css")


@cache
def colours() -> dict[str, str]:
    """Return the colour maps of values and of steps, 256 times red, green and blue, in base64."""
    from matplotlib import colormaps

    def table(name: str) -> str:
        levels = colormaps[name](np.arange(256))[:, :3]
        return b64encode((levels * 255).round().astype(np.uint8).tobytes()).decode()

    return {"values": table("viridis"), "steps": table("magma")}


def served_page(slices: Slices, token: str, view: Mapping[str, Any]) -> str:
    """Return a page that requests its data from the server that sent it."""
    return _page(slices, f"servedSource({_script_json(token)})", view, exact=True)


def offline_page(slices: Slices, view: Mapping[str, Any], *, most: int = MOST_BYTES) -> str:
    """Return a page that contains its data, at most `most` bytes before compression.

    It contains the last epoch of every gate, the epoch of the view, and as many others as fit.

    Raises
    ------
    StripeError
        If the epochs that it must contain are larger than `most`.
    """
    about, epochs = slices.about(), _epochs_within(slices, most, view.get("epoch"))
    for run, held in zip(about["runs"], epochs, strict=True):
        if len(held) < len(run["epochs"]):
            about["note"] = f"this file holds epochs {', '.join(map(str, held))}"
        run["epochs"] = held
    images = _images(slices, epochs, most)
    about["pictures"] = about["pictures"] if images else 0
    blobs = {"about": _packed(json.dumps(about).encode())}
    for request in _requests(slices, epochs, images):
        blobs[request] = _packed(slices.answer(request))
    source = f"embeddedSource({_script_json(blobs)})"
    return _page(slices, source, view, exact=False)


def _epochs_within(slices: Slices, most: int, shown: int | None) -> list[list[int]]:
    """Return the epochs of each recording that a file holds: the last, the one shown, others."""
    held = [
        [epoch for epoch in recording.epochs if epoch in (shown, recording.last_epoch)]
        for recording in slices.recordings
    ]
    sizes = [_bytes_of_epoch(slices, run) for run in range(len(held))]
    least = sum(size * len(epochs) for size, epochs in zip(sizes, held, strict=True))
    if least > most:
        raise StripeError(
            f"one file holds at most {most / 1e6:.0f} MB of values, and the epochs that it must "
            f"hold have {least / 1e6:.0f} MB; serve the recording instead: leave out --out"
        )
    for run, recording in enumerate(slices.recordings):
        others = [epoch for epoch in recording.epochs if epoch not in held[run]]
        room = int((most - least) / len(held) / max(1, sizes[run]))
        places = np.linspace(0, len(others) - 1, min(room, len(others))).round().astype(int)
        held[run] = sorted({*held[run], *(others[place] for place in places)})
    return held


def _bytes_of_epoch(slices: Slices, run: int) -> int:
    recording = slices.recordings[run]
    channels = sum(gate.channels * (1 + gate.pooled) for gate in recording.header.channel_gates)
    return channels * len(recording.rows())


def _requests(slices: Slices, epochs: list[list[int]], images: list[int]) -> Iterator[str]:
    """Yield the requests of a page with these epochs and thumbnails, except "about"."""
    for run, recording in enumerate(slices.recordings):
        for epoch in epochs[run]:
            yield f"rows/{run}/{epoch}"
            for index, gate in enumerate(recording.header.channel_gates):
                yield f"glance/{run}/{index}/{epoch}"
                yield f"matrix/{run}/{index}/{epoch}/after"
                if gate.pooled:
                    yield f"matrix/{run}/{index}/{epoch}/before"
    for image in images:
        yield f"images/{image}"


def _images(slices: Slices, epochs: list[list[int]], most: int) -> list[int]:
    """Return the images whose thumbnails a file holds: all, or none if they are too many."""
    if slices.pictures is None:
        return []
    rows = [slices.recordings[run].rows(epoch) for run, held in enumerate(epochs) for epoch in held]
    found = sorted({int(image) for frame in rows for image in frame["image"]})
    return found if len(found) * 3 * SIDE**2 <= most / 4 else []


def _page(slices: Slices, source: str, view: Mapping[str, Any], *, exact: bool) -> str:
    options = {"exact": exact, "colours": colours(), "view": dict(view)}
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(" and ".join(slices.names))}: gates</title>
<link rel="icon" href="data:,">
<style>{style()}</style>
</head>
<body>
<script>
{script()}
const options = {_script_json(options)};
Object.assign(options.view, viewOfHash(location.hash));
start(document.body, {source}, options);
</script>
</body>
</html>
"""


def _script_json(value: Any) -> str:
    """Return JSON that cannot end the script around it."""
    return json.dumps(value).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _packed(content: bytes) -> str:
    return b64encode(gzip.compress(content, 6, mtime=0)).decode()


def _part(name: str) -> str:
    return files("stripe.explorer").joinpath("page", name).read_text(encoding="utf-8")
