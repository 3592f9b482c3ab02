"""The report of an audit: one HTML file with everything in it."""

import base64
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes

from stripe import plots
from stripe.audit.gate_table import MEASURES
from stripe.audit.result import Audit
from stripe.errors import StripeError
from stripe.files import write_whole
from stripe.recording import Recording
from stripe.stats.variance_components import PARTS, shares_from_0_to_1


class ReportError(StripeError):
    """A report that cannot be written.

    Attributes
    ----------
    audit
        The audit, which is finished.
    """

    def __init__(self, path: Path, error: OSError, audit: Audit) -> None:
        super().__init__(
            f"cannot write the report {path}: {error.strerror}; make room or choose another file"
        )
        self.audit = audit


def write_report(path: Path, audit: Audit, recording: Recording, about: dict[str, Any]) -> None:
    """Write an audit as HTML, with its pictures inside.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    templates = Environment(
        loader=PackageLoader("stripe.audit"), autoescape=True, undefined=StrictUndefined
    )
    page = templates.get_template("audit.html").render(
        audit=audit,
        gates=_gates(audit),
        order={gate: number for number, gate in enumerate(audit.order, 1)},
        sets=audit.greedy.to_dict("records"),
        optimal=None if audit.optimal is None else audit.optimal.to_dict("records"),
        controls=None if audit.controls is None else audit.controls.to_dict("records"),
        labelled=bool(audit.greedy["accuracy"].notna().any()),
        alone=bool(audit.gates[list(MEASURES)].notna().to_numpy().any()),
        first=audit.greedy.iloc[0],
        last=audit.greedy.iloc[-1],
        chosen=audit.greedy.set_index("frozen").loc[len(audit.recommended)],
        choice=repr(audit.recommended if len(audit.recommended) < len(audit.gates) else "all"),
        exact=_exact(audit),
        absent=_absent(audit, about["library"]),
        ends=_ends(audit),
        pictures=_pictures(audit, recording),
        about=about,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page.encode())
    except OSError as error:
        raise ReportError(path, error, audit) from error


def _gates(audit: Audit) -> Any:
    """Return the rows of the table of gates, with shares of variance from 0 to 1."""
    shares = shares_from_0_to_1(audit.gates)
    return audit.gates.assign(**{part: shares[part] for part in PARTS}).to_dict("records")


def _exact(audit: Audit) -> dict[str, int]:
    """Count all channels, those that are exactly 0 or 1 for all images, and gates of only these.

    Gates that cannot be frozen do not count.
    """
    channels = audit.gates["channels"]
    whole = (audit.gates["exact"] == 1) & audit.gates["gate"].isin(audit.order)
    saturated = round((audit.gates["exact"] * channels).sum())
    return {"all": int(channels.sum()), "channels": saturated, "gates": int(whole.sum())}


def _absent(audit: Audit, library: str) -> list[tuple[str, str]]:
    """Return the options that would add measurements to the page, and what each adds."""
    of_order = audit.gates[audit.gates["gate"].isin(audit.order)]
    if of_order.empty:
        return []
    found = []
    if of_order["agreement"].isna().any():
        found.append(("alone", "the measured cost of freezing each gate alone"))
    if library == "stripe":  # an ONNX file has no gates that can be replaced while it runs
        tables = {
            "controls": "the cost of other gates: one number, those of other images, 1 and 0",
            "optimal": "constants that are learned, beside the means",
        }
        found += [(name, what) for name, what in tables.items() if getattr(audit, name) is None]
    return found


def _ends(audit: Audit) -> tuple[str, str]:
    """Return the names of the most and the least constant gate."""
    ordered = audit.gates.sort_values("relative_spread", kind="stable")["gate"]
    return ordered.iloc[0], ordered.iloc[-1]


def _pictures(audit: Audit, recording: Recording) -> dict[str, str]:
    """Return the pictures by name, as data URLs."""
    most, least = _ends(audit)
    named: dict[str, Any] = {"names": [audit.model]}
    with plots.paper_style():
        drawn = {
            "spread": plots.gate_spread(recording, **named),
            "freezing": plots.freezing(audit.greedy, threshold=audit.threshold),
            "most": plots.stripes(recording, gate=most, side="after", **named),
            "least": plots.stripes(recording, gate=least, side="after", **named),
        }
        return {name: _data_url(ax) for name, ax in drawn.items()}


def _data_url(ax: Axes) -> str:
    png = io.BytesIO()
    plots.save_figure(ax, png)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
