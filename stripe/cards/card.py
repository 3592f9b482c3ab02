"""Write the card of a recording: a page for people, and a description for programs."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.cards.about import About
from stripe.cards.croissant import describe
from stripe.errors import StripeError
from stripe.files import saving
from stripe.recording import Recorded, Recording, open_recording
from stripe.stats import stripe_index
from stripe.stats.stripe_index import index_text
from stripe.typed import typed

#: The names of the two files.
PAGE, DESCRIPTION = "README.md", "croissant.json"


@typed
def write_card(
    recording: Recorded,
    folder: str | Path | None = None,
    *,
    about: About | None = None,
    overwrite: bool = False,
) -> tuple[Path, Path]:
    """Write the files README.md and croissant.json, which describe a recording for publication.

    README.md says what was recorded, gives the stripe index of every gate in the last epoch, and
    explains how to read the files with and without `stripe`. croissant.json describes the files in
    Croissant, a JSON-LD vocabulary for data sets. Its paths are relative to the directory of the
    recording.

    Parameters
    ----------
    recording
        A recording or its directory. Its files are verified before the card is written.
    folder
        Folder for the files. Default: the directory of the recording, which stays valid.
    about
        Details that the recording does not contain: licence, creator, URL and others.
    overwrite
        Replace files of an earlier card.

    Returns
    -------
    tuple of Path
        The paths of README.md and croissant.json.

    Raises
    ------
    StripeError
        If one of the files exists (without `overwrite`) or cannot be written.
    RecordingError
        If there is no recording, it holds no epoch, or a file is missing or damaged.

    Examples
    --------
    >>> from stripe.cards import About, write_card
    >>> about = About(license="CC-BY-4.0", creator="Ada", url="https://example.org/gates")
    >>> page, description = write_card("runs/mine", "card", about=about)
    >>> page.read_text().splitlines()[0]
    '---'
    """
    opened, about = open_recording(recording), about or About()
    target = opened.path if folder is None else Path(folder).expanduser()
    page, description = target / PAGE, target / DESCRIPTION
    if there := [path for path in (page, description) if path.exists() and not overwrite]:
        raise StripeError(f"{there[0]} exists already; choose another folder, or overwrite it")
    files = opened.verify()
    described = describe(opened, about, files)
    text = _page(opened, about, described, files)
    for path, content in ((page, text), (description, _indented(described))):
        with saving(path) as draft:
            draft.write_text(content)
    return page, description


def _indented(described: dict[str, Any]) -> str:
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _page(
    recording: Recording, about: About, described: dict[str, Any], files: pd.DataFrame
) -> str:
    """Return the page, which begins with the settings that Hugging Face reads."""
    known = about.license and "/" not in about.license  # an SPDX identifier, and no address
    front = [
        "configs:",
        "- config_name: default",
        "  data_files: data/*/*.parquet",
        "tags: [channel-attention, interpretability]",
        *([f"license: {json.dumps(about.license.lower())}"] if known else []),
    ]
    parts = [
        "\n".join(["---", *front, "---"]),
        f"# {described['name']}",
        described["description"],
        _table(["", ""], _facts(recording, about, files)),
        "## Gates\n\n`eta2` is the stripe index in the last epoch: the share of a gate's variance "
        "that lies between channels. At 1, the gate does not depend on the image.",
        _gates(recording),
        _READING,
    ]
    return "\n\n".join(parts) + "\n"


def _facts(recording: Recording, about: About, files: pd.DataFrame) -> list[tuple[Any, ...]]:
    header = recording.header
    last = int(files.loc[files["epoch"] == recording.last_epoch, "rows"].sum())
    facts = {
        "network": " ".join(filter(None, (header.model, header.model_class))),
        "data": header.dataset,
        "images": f"{last:,}" if header.per_image else "",
        "input": " x ".join(map(str, header.input_shape or ())),
        "epochs": ", ".join(map(str, recording.epochs)),
        "seed": header.seed,
        "size": f"{files['bytes'].sum():,} bytes",
        "Parquet files": f"{len(files):,}",
        "versions": ", ".join(f"{name} {of}" for name, of in header.versions.items()),
        "licence": about.license,
        "creator": about.creator,
        "address": about.url,
        "published": about.published,
    }
    return [(name, value) for name, value in facts.items() if value not in ("", None)]


def _gates(recording: Recording) -> str:
    index = stripe_index(recording)
    found = index[index["epoch"] == recording.last_epoch].set_index("gate")["eta2"]
    rows = []
    for gate in recording.header.gates:
        eta2 = index_text(found[gate.name]) if gate.name in found else ""
        rows.append((f"`{gate.name}`", gate.owner_class, gate.kind, gate.channels, eta2))
    return _table(["gate", "multiplies in", "kind", "channels", "eta2"], rows)


def _table(head: list[str], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


_READING = """## Read it

Each Parquet file holds one row per image. A gate is a list of floats in the column `gate/NAME`; the
averages of the features that it multiplies are in `input/NAME`. A recording of moments has one row
per channel instead.

```python
import pandas as pd

frame = pd.read_parquet("data")  # all epochs; the column epoch comes from the names of the folders
```

```python
import stripe  # the package stripe-attention

recording = stripe.open_recording(".")
recording.verify()  # every file against its SHA-256
stripe.stats.stripe_index(recording)
```

`croissant.json` describes the files and columns for programs
([Croissant](https://docs.mlcommons.org/croissant/))."""
