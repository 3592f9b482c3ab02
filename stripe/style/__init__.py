"""Style transfer under batch noise, with which the paper shows how ASR regulates noise."""

from typing import TYPE_CHECKING

from stripe.lazy import lazy_names

if TYPE_CHECKING:
    from stripe.style.comparison import Comparison as Comparison
    from stripe.style.comparison import compare as compare
    from stripe.style.comparison import train_and_compare as train_and_compare
    from stripe.style.config import StyleConfig as StyleConfig
    from stripe.style.drawing import draw_comparison as draw_comparison
    from stripe.style.network import StyleNetwork as StyleNetwork
    from stripe.style.network import style_network as style_network
    from stripe.style.train import StyleRun as StyleRun
    from stripe.style.train import open_style as open_style
    from stripe.style.train import stylise as stylise
    from stripe.style.train import train_style as train_style

_HOME = {
    "Comparison": "stripe.style.comparison",
    "compare": "stripe.style.comparison",
    "StyleConfig": "stripe.style.config",
    "StyleNetwork": "stripe.style.network",
    "StyleRun": "stripe.style.train",
    "draw_comparison": "stripe.style.drawing",
    "open_style": "stripe.style.train",
    "style_network": "stripe.style.network",
    "stylise": "stripe.style.train",
    "train_and_compare": "stripe.style.comparison",
    "train_style": "stripe.style.train",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
