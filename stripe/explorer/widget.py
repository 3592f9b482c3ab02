"""The Jupyter explorer: one gate at a time, every knob at hand.

Not called explore.py: a module of that name would hide the function `stripe.explore`.
"""

from base64 import b64encode
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
from ipyevents import Event
from IPython.display import HTML, DisplayHandle, display
from matplotlib.figure import Figure

from stripe import plots
from stripe.errors import RecordingError, StripeError
from stripe.files import saving
from stripe.plots.choose import Choice, View, view
from stripe.recording import Recorded, Recording, open_recording

#: Inches, and dots per inch on the screen.
_SIZE, _DPI = (9.5, 8.5), 100
#: What a page without a running kernel shows; where the widget lives, the widget hides it.
_STATIC = "stripe-explorer-static"


class Explorer:
    """Controls and a figure that follows them; see `stripe.explore`.

    Parameters
    ----------
    recording
        A recording of at least one epoch.

    Notes
    -----
    The last line of a cell shows it. In a page that nobody runs (nbconvert to HTML), the picture of
    the current view stands in its place.
    """

    def __init__(self, recording: Recording) -> None:
        if not recording.epochs:
            raise RecordingError(f"{recording.path} holds no epoch yet; record one first")
        if not recording.header.channel_gates:
            raise RecordingError(f"{recording.path} holds no channel gates to look at")
        if not recording.header.per_image:
            raise RecordingError(
                f"{recording.path} holds moments only, recorded with values=False; the explorer "
                "shows values"
            )
        self.recording = recording
        names = [gate.name for gate in recording.header.channel_gates]
        rows = [recording.rows(epoch) for epoch in recording.epochs]
        orders = [
            name for name in ("label", "prediction") if any(r[name].notna().any() for r in rows)
        ]
        pooled = all(gate.pooled for gate in recording.header.channel_gates)
        wide = {"description_width": "7em"}
        self.controls: dict[str, Any] = {
            "gate": widgets.Dropdown(options=names, value=names[-1], style=wide),
            "epoch": widgets.SelectionSlider(
                options=recording.epochs, value=recording.epochs[-1], style=wide
            ),
            "n_images": widgets.BoundedIntText(20, min=1, max=max(map(len, rows)), style=wide),
            "channels": widgets.BoundedIntText(60, min=1, max=2**16, style=wide),
            "image_order": widgets.Dropdown(options=["random", *orders], style=wide),
            "channel_order": widgets.Dropdown(options=["random", "mean", "spread"], style=wide),
            "side": widgets.Dropdown(
                options=["both", "before", "after"],
                value="both" if pooled else "after",
                style=wide,
            ),
            "scale": widgets.Dropdown(options=["own", "shared"], style=wide),
            "seed": widgets.BoundedIntText(0, min=0, max=2**31, style=wide),
        }
        for name, control in self.controls.items():
            control.description = name.removeprefix("n_").replace("_", " ")
            control.observe(self._redraw, names="value")
        self.figure = Figure(figsize=_SIZE, layout="constrained")
        self.picture = widgets.Image(format="png", layout={"width": f"{_SIZE[0] * _DPI:.0f}px"})
        pointer = Event(source=self.picture, watched_events=["mousemove", "click"])
        pointer.throttle_or_debounce, pointer.wait = "throttle", 50
        pointer.on_dom_event(self._point)
        self.pointer_text = widgets.HTML("Point at the picture to read image, channel and value.")
        self.code_line = widgets.HTML()
        self.save_button = widgets.Button(
            description="Save as PNG", icon="download", layout={"width": "auto"}
        )
        self.save_button.on_click(lambda _: self._save())
        self._static: DisplayHandle | None = None
        self._redraw()
        self.widget = self._arranged(widgets)

    def _arranged(self, widgets: Any) -> Any:
        """Return the controls in two columns above the picture."""
        controls = list(self.controls.values())
        half = len(controls) // 2
        columns = [widgets.VBox(controls[:half]), widgets.VBox(controls[half:])]
        return widgets.VBox([
            widgets.HTML(f"<style>.{_STATIC} {{ display: none }}</style>"),
            widgets.HBox(columns),
            self.picture,
            self.pointer_text,
            self.save_button,
            self.code_line,
        ])  # fmt: skip

    @property
    def choice(self) -> dict[str, Any]:
        """The current view, as arguments of `stripe.plots.overview`."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def code(self) -> str:
        """The line of code that draws the current view."""
        arguments = "".join(f", {name}={value!r}" for name, value in self.choice.items())
        path = str(self.recording.path)
        return f"stripe.plots.overview({path!r}{arguments})"

    def save(self, path: str | Path | None = None) -> Path:
        """Write the current view as a picture; by default a PNG in the working directory."""
        choice = self.choice
        target = Path(path) if path else Path(f"{choice['gate']}-epoch{choice['epoch']}.png")
        try:
            with saving(target) as draft:
                self.figure.savefig(draft, dpi=200)
        except ValueError as error:
            raise StripeError(f"cannot write the picture {target}: {error}") from error
        return target

    def _redraw(self, _: Any = None) -> None:
        self.figure.clear()
        ax = self.figure.add_subplot()
        try:
            self._shown = self._view()
            plots.overview(self.recording, ax=ax, **self.choice)
        except StripeError as error:  # as "before" of a recording without pooled inputs
            ax.set_axis_off()
            ax.text(0.5, 0.5, str(error), ha="center", va="center", wrap=True)
        self.code_line.value = f"<code>{escape(self.code)}</code>"
        buffer = BytesIO()
        self.figure.savefig(buffer, format="png", dpi=_DPI)
        self.picture.value = buffer.getvalue()
        if self._static is not None:
            self._static.update(self._static_page())

    def _view(self) -> View:
        options = self.choice
        return view(self.recording, options["gate"], options["epoch"], Choice.among(options))

    def _point(self, event: dict[str, Any]) -> None:
        """Say which image and channel lie under the pointer, and their value."""
        scale = self.figure.dpi / _DPI  # from dots of the picture to those of the figure
        x, y = event["dataX"] * scale, (_SIZE[1] * _DPI - event["dataY"]) * scale
        found = self._panel_at(x, y)
        if found is None:
            return
        drawn = np.asarray(found.images[0].get_array())
        column, row = found.transData.inverted().transform((x, y)).round().astype(int)
        row, column = (min(i, n - 1) for i, n in zip((row, column), drawn.shape, strict=True))
        about = self.recording.rows(self.choice["epoch"]).iloc[self._shown.rows[row]]
        self.pointer_text.value = (
            f"{found.get_title().splitlines()[0]}: <b>{drawn[row, column]:.4f}</b> at channel "
            f"{self._shown.columns[column]} of image {about['image']}{_named(about)}"
        )

    def _panel_at(self, x: float, y: float) -> Any:
        """Return the heat map of the stripes at a dot of the figure, or None."""
        overview: Any = self.figure.axes[0]
        stripes = overview.child_axes[:1]
        panels = [*stripes, *(child for panel in stripes for child in panel.child_axes)]
        hit = [panel for panel in panels if panel.images and panel.bbox.contains(x, y)]
        return hit[0] if hit else None

    def _save(self) -> None:
        try:
            self.pointer_text.value = f"written: {escape(str(self.save()))}"
        except StripeError as error:
            self.pointer_text.value = escape(str(error))

    def _static_page(self) -> HTML:
        return HTML(
            f'<div class="{_STATIC}"><img alt="stripes of {escape(self.choice["gate"])}" '
            f'src="data:image/png;base64,{b64encode(self.picture.value).decode()}" '
            'style="max-width: 100%"></div>'
        )

    def _ipython_display_(self) -> None:
        display(self.widget)
        self._static = display(self._static_page(), display_id=True)


def _named(about: pd.Series) -> str:
    """Write what is known of an image: its label, its prediction."""
    known = [f"{name} {about[name]}" for name in ("label", "prediction") if pd.notna(about[name])]
    return f" ({', '.join(known)})" if known else ""


def explore(recording: Recorded) -> Explorer:
    """Look through a recording in Jupyter.

    Choose gate, epoch, images, channels and their order; stripes, spread and difference follow
    together. The pointer tells image, channel and value. A button writes the view as a picture, and
    a line of code beside it draws the same.

    Parameters
    ----------
    recording
        A recording, or its directory.

    Raises
    ------
    RecordingError
        If it has no epoch, no channel gates, or moments alone.

    Examples
    --------
    >>> widget = stripe.explore(recording)  # the last line of a cell shows it
    """
    recording = open_recording(recording)
    return Explorer(recording)
