"""The explorer as a widget of notebooks, through anywidget."""

import json
from typing import Any

import anywidget
import traitlets

from stripe.errors import StripeError
from stripe.explorer.page import colours, script, style
from stripe.explorer.slices import Slices

#: Script that follows the page's script and starts its parts.
_START = """
export default {
  render({ model, el }) {
    const root = document.createElement("div");
    el.append(root);
    const hide = document.createElement("style");
    hide.textContent = ".stripe-explorer-static { display: none }";
    document.head.append(hide);
    const changed = (view) => { model.set("view", view); model.save_changes(); };
    const options = { ...JSON.parse(model.get("options")), view: model.get("view"), changed };
    start(root, widgetSource(model), options);
    model.on("change:view", () => {
      const explorer = root.explorer;
      if (!explorer) return;
      const view = viewOf(explorer.about, model.get("view"));
      if (hashOf(view) !== hashOf(explorer.view)) explorer.set(view);
    });
  },
};
"""


class ExplorerWidget(anywidget.AnyWidget):
    """The page in an output cell; it asks the kernel for one slice at a time.

    Parameters
    ----------
    slices
        The recordings to show, with their images.
    view
        The first view. The trait `view` and the page then follow each other.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    options = traitlets.Unicode().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, slices: Slices, view: dict[str, Any]) -> None:
        options = json.dumps({"exact": True, "colours": colours()})
        super().__init__(_esm=script() + _START, _css=style(), options=options, view=view)
        self._slices = slices
        self.on_msg(self._answered)

    def _answered(self, _: Any, message: dict[str, Any], __: Any) -> None:
        try:
            answer = self._slices.answer(str(message["request"]))
        except StripeError as error:
            self.send({"id": message["id"], "error": str(error)})
        else:
            self.send({"id": message["id"]}, [answer])
