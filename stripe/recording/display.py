"""The display of a recording, and of a list of gates, at the end of a cell."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from stripe import html
from stripe.errors import RecordingError
from stripe.recording.finished_part import FinishedPart
from stripe.recording.schema import Gate, Header, gate_column
from stripe.registry import counted

Parts = list[FinishedPart]

#: Attributes of a gate in a table, and the most rows of a table in a terminal.
_SHOWN = ["name", "owner_class", "kind", "channels", "layout"]
_MOST_ROWS = 60


class Gates(list[Gate]):
    """A list of gates that is displayed as a table, and in Jupyter also with a bar chart.

    In all other respects, it is a list. A slice of it is a plain list.

    Examples
    --------
    >>> gates = stripe.find_gates(model, images)
    >>> len(gates), gates[0].channels
    (3, 16)
    """

    def __repr__(self) -> str:
        """Return a table with one row per gate. A long list is shown without its middle rows."""
        if not self:
            return "[]"
        rows = self.frame()[_SHOWN].to_string(index=False, max_rows=_MOST_ROWS)
        return f"{counted(len(self), 'gate')}\n{rows}"

    def frame(self) -> pd.DataFrame:
        """Return a DataFrame with one row per gate and the attributes of `Gate` as columns."""
        columns = [field.name for field in fields(self[0] if self else Gate)]
        return pd.DataFrame([vars(gate) for gate in self], columns=columns)

    def _repr_html_(self) -> str:
        rows = self.frame()[_SHOWN]
        total = sum(gate.channels for gate in self)
        return html.summary(
            counted(len(self), "gate"),
            {"channels": f"{total:,}"},
            _channels(self),
            html.table(rows),
        )


def recording_html(
    path: Path, header: Header, epochs: Callable[[], list[int]], parts: Callable[[int], Parts]
) -> str:
    """Return the facts of a recording, a picture of its deepest gate, and its gates.

    A recording that cannot be read says why in the place of the picture.

    Parameters
    ----------
    path, header
        The directory and the header of the recording.
    epochs
        Lists the recorded epochs.
    parts
        Lists the files of an epoch.
    """
    try:
        recorded = epochs()
        picture = _picture(header, parts(recorded[-1])[0]) if recorded else ""
        ends = f" ({recorded[0]} to {recorded[-1]})" if len(recorded) > 1 else ""
        listed = f"{len(recorded)}{ends}" if recorded else "none yet"
    except (RecordingError, OSError) as error:
        listed, picture = "damaged", f"<div>{escape(str(error))}</div>"
    gates = Gates(header.gates)
    facts = {"epochs": listed, "gates": len(gates), "model": header.model, "data": header.dataset}
    rows = gates.frame()[["name", "owner_class", "kind", "channels"]]
    return html.summary(f"Recording {path}", facts, picture, html.table(rows))


def _picture(header: Header, part: FinishedPart) -> str:
    """Draw the first rows and some channels of the deepest gate."""
    gates = header.channel_gates
    if not gates or not header.per_image:
        return _channels(header.gates)
    name = gates[-1].name
    rows = next(part.scan({name: gate_column(name)}))[name]
    most_rows, most_channels = html.MOST_CELLS
    channels = np.linspace(0, rows.shape[1] - 1, min(most_channels, rows.shape[1])).astype(int)
    values = rows[:most_rows, channels]
    caption = (
        f"{name}, epoch {part.epoch}: {len(values)} images down, {len(channels)} of "
        f"{rows.shape[1]} channels across"
    )
    return html.raster(values, f"values of {name}", caption)


def _channels(gates: Sequence[Gate]) -> str:
    """Draw the number of channels of each gate."""
    names = [f"{gate.name}: {gate.channels} channels" for gate in gates]
    heights = [float(gate.channels) for gate in gates]
    kinds = [gate.kind for gate in gates]
    return html.bars(heights, kinds, names, "channels of each gate") if names else ""
