"""The explorer of recordings in Jupyter, in a browser, and in a file.

This file is not called explore.py, because such a module would hide the function
`stripe.explorer.explore`.
"""

from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stripe.errors import StripeError
from stripe.explorer.page import offline_page
from stripe.explorer.slices import Slices
from stripe.explorer.view import checked_view, code_of
from stripe.files import PAGES, check_target, saving
from stripe.html import Shown
from stripe.recording import Recorded
from stripe.typed import typed

#: Class of an element that is hidden while the widget runs, and shown without a kernel.
_STATIC = "stripe-explorer-static"
#: Largest number of bytes of values in a frame, without anywidget.
_MOST_IN_FRAME = 8_000_000


class Explorer:
    """A page that shows recordings, as `stripe.explore` returns it.

    Parameters
    ----------
    slices
        The recordings to show, with their images.
    view
        Initial view: the arguments `**view` of `stripe.explore`.

    Notes
    -----
    In a notebook, the page is a widget. If anywidget (extra `jupyter`) is not installed, the page
    is an HTML frame that holds only the epochs that fit into 8 MB of values. If the last epoch and
    the epoch of the view do not fit, a picture is shown instead. In a notebook without a kernel,
    for example after nbconvert to HTML, a picture replaces the widget.

    Examples
    --------
    >>> explorer = stripe.explore(recording, gate=recording.gates["name"][0])
    >>> explorer.view["gate"]
    'layer1.0.bn2.gate'
    >>> page = explorer.save("explorer.html")
    """

    def __init__(self, slices: Slices, view: dict[str, Any]) -> None:
        self.slices = slices
        self._view = checked_view(slices, view)
        self._widget: Any = None

    def __repr__(self) -> str:
        first, shown = self.slices.recordings[0], self.view
        gate = shown.get("gate", first.header.channel_gates[-1].name)
        epoch = shown.get("epoch", first.last_epoch)
        runs = " beside ".join(str(one.path) for one in self.slices.recordings)
        return f"Explorer({runs}: {gate}, epoch {epoch})"

    @property
    def view(self) -> dict[str, Any]:
        """The current view, as the arguments `**view` of `stripe.explore`."""
        return dict(self._widget.view) if self._widget is not None else dict(self._view)

    @property
    def code(self) -> str:
        """The line of code that restores the current view."""
        return code_of([str(one.path) for one in self.slices.recordings], self.view)

    def save(self, path: str | Path) -> Path:
        """Write an HTML file that shows the page without a kernel, a server or the internet.

        The file holds the last epoch of every recording, the epoch of the view, and as many other
        epochs as fit into 64 MB of values, before compression. It also holds small pictures of the
        images, if these fit into a further 16 MB. The path of the file is returned.

        Raises
        ------
        StripeError
            If the last epoch and the epoch of the view have more than 64 MB of values, the name
            does not end in .html or .htm, or the file cannot be written.
        """
        target = Path(path).expanduser()
        check_target(target, PAGES, "a page")
        page = offline_page(self.slices, self.view)
        with saving(target) as draft:
            draft.write_text(page, encoding="utf-8")
        return target

    @property
    def widget(self) -> Any:
        """The widget. If anywidget is not installed, a `StripeError` is raised."""
        if self._widget is None:
            if find_spec("anywidget") is None:
                raise StripeError(
                    "the widget needs anywidget; install the extra: pip install "
                    "'stripe-attention[jupyter]', or run `stripe explore` for a browser"
                )
            from stripe.explorer.widget import ExplorerWidget

            self._widget = ExplorerWidget(self.slices, self._view)
        return self._widget

    def _repr_html_(self) -> str:
        """Return a frame with the page, or a picture if the page is too large."""
        try:
            page = offline_page(self.slices, self.view, most=_MOST_IN_FRAME)
        except StripeError:
            return self._picture()
        return (
            f'<iframe srcdoc="{escape(page)}" style="width: 100%; height: 680px; border: 0" '
            'sandbox="allow-scripts allow-downloads" title="explorer of gates"></iframe>'
        )

    def _display_(self) -> Any:
        """Return what marimo shows: the widget, or the frame if anywidget is not installed."""
        return Shown(self._repr_html_()) if find_spec("anywidget") is None else self.widget

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        if find_spec("anywidget") is None:
            display(HTML(self._repr_html_()))
            return
        display(self.widget)
        display(HTML(self._picture()))

    def _picture(self) -> str:
        """Return a picture of the view, which is hidden while the widget runs."""
        from stripe.plots.inline import inline_picture
        from stripe.plots.stripes import stripes

        shown = self.slices.recordings[0]
        asked = {name: self.view[name] for name in ("gate", "epoch", "scale") if name in self.view}
        picture = inline_picture(
            lambda ax: stripes(shown, side="after", n_images=60, ax=ax, **asked),
            f"stripes of {self.view.get('gate', 'the deepest gate')}",
            height=3.4,
        )
        return f'<div class="{_STATIC}">{picture}</div>'


@typed
def explore(
    recording: Recorded | Sequence[Recorded],
    *,
    images: Any = None,
    classes: Sequence[str] = (),
    costs: Any = None,
    **view: Any,
) -> Explorer:
    """Show recordings on a page, with an overview of all gates and every value of one gate.

    In a notebook, call this function in the last line of a cell. It is tested in JupyterLab and
    marimo. The command `stripe explore` shows the page in a browser.

    Parameters
    ----------
    recording
        A recording or its directory, or a list of them. Several recordings are shown side by side,
        with the same gate, order, zoom and selected value.
    images
        The recorded images, by their index, to show next to the rows: an array (N, H, W), (N, C, H,
        W) or (N, H, W, C), or a data set of images or of (image, label).
        `stripe.data.recorded_images` returns the images of the data set or folder that a recording
        names. Default: no images.
    classes
        Names of the classes, by label. Default: the attribute `classes` of `images`, if it exists.
    costs
        Cost of freezing each gate of the first recording, in nats: the result of
        `stripe.sensitivity` or `stripe.audit`, the table of `stripe ablate`, or a mapping from
        gates to numbers. The page can sort gates by cost. Default: no costs.
    **view
        Initial view:

        - `gate`, `epoch`, `image`, `channel`: the selected ones; `run`: the position of the
          recording whose channel is selected, counted from 0;
        - `side`: "after" (the gate), "before" (the averages of the features that it multiplies) or
          "both";
        - `scale`: the range of the colours, "own" (of each heat map) or "shared" (of all gates);
        - `image_order`: "recorded", "label", "prediction", "mean", "spread", "similarity" (by the
          first principal component) or "cluster" (up to 8 clusters of k-means);
        - `channel_order`: "recorded", "mean" or "spread";
        - `gate_order`: "depth", "eta2", "spread", "class" (the share of the variance over images
          that lies between classes) or "cost";
        - `zoom`: left and right as shares of all channels, top and bottom as shares of all images,
          0 to 1.

    Returns
    -------
    Explorer
        The page. `save(path)` writes it to a file that works offline. `code` is a line of Python
        that restores the view.

    Raises
    ------
    RecordingError
        If there is no recording, or it has no epoch, no channel gates or only moments; or if the
        epoch of the view was not recorded.
    UnknownNameError
        If the first recording does not have the gate of the view.
    StripeError
        If an argument of the view is unknown or has an invalid value, `images` has no length or no
        index, or `costs` has another type or none of the shown gates.

    Notes
    -----
    Values are drawn in 256 steps between the lowest and the highest value of a heat map. The
    pointer shows the exact value. In a saved file, it shows the value rounded to its step. If a map
    has more values than pixels, each pixel shows the mean of its values, which hides outliers. To
    find them, zoom in, or look at the images with the highest and lowest gate in a channel.

    Examples
    --------
    >>> explorer = stripe.explore(recording, image_order="label")  # the last line of a cell
    >>> explorer.save("gates.html").name
    'gates.html'
    """
    return Explorer(Slices(recording, images=images, classes=classes, costs=costs), view)
