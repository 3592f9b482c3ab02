"""`stripe card`: describe a recording for publication."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stripe.cli.app import Recorded, app

Text = Annotated[str, Parameter(show_default=False)]


@app.command
def card(
    recording: Recorded,
    *,
    out: Path | None = None,
    name: Text = "",
    description: Text = "",
    license: Text = "",
    creator: Text = "",
    url: Text = "",
    published: Text = "",
    overwrite: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Write a page and a Croissant description of a recording, for publication.

    Parameters
    ----------
    out
        Folder for README.md and croissant.json. Default: the directory of the recording.
    name
        Name of the data set. Default: a name from the network and the data of the recording.
    description
        Sentence that describes the data set. Default: a sentence with the numbers of gates and
        epochs, the network and the data.
    license
        Licence of the data, as an SPDX identifier or a URL.
    creator
        Person or group that made the recording.
    url
        URL at which the recording will be available.
    published
        Date of publication, as YYYY-MM-DD. Default: today, in UTC.
    overwrite
        Replace the files of an earlier card.
    """
    from stripe.cards import About, write_card

    about = About(
        name=name,
        description=description,
        license=license,
        creator=creator,
        url=url,
        published=published,
    )
    for path in write_card(recording, out, about=about, overwrite=overwrite):
        print(f"written: {path}")
    if about.missing:
        options = ", ".join(f"--{name}" for name in about.missing)
        print(f"Croissant also requires {options}; give them before you publish", file=sys.stderr)
