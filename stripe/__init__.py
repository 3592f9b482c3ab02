"""Record the gates of channel attention, measure how constant they are, and replace them.

The public names below are imported on first use, so that `import stripe` is fast and does not
import torch.
"""

from typing import TYPE_CHECKING

from stripe.errors import StripeError as StripeError
from stripe.lazy import keep_functions, lazy_names

if TYPE_CHECKING:
    from stripe import plots as plots
    from stripe import stats as stats
    from stripe.asr import Gated as Gated
    from stripe.asr import Psi as Psi
    from stripe.asr import insert as insert
    from stripe.asr import reparameterize as reparameterize
    from stripe.attention import list_attentions as list_attentions
    from stripe.audit.audit import audit as audit
    from stripe.audit.result import Audit as Audit
    from stripe.backbones import build as build
    from stripe.backbones import list_backbones as list_backbones
    from stripe.explorer import explore as explore
    from stripe.gates import Frozen as Frozen
    from stripe.gates import find_gates as find_gates
    from stripe.gradcam import MeanCam as MeanCam
    from stripe.gradcam import mean_cam as mean_cam
    from stripe.hooks import Recorder as Recorder
    from stripe.hooks import record as record
    from stripe.intervene.freeze import freeze as freeze
    from stripe.intervene.intervene import intervene as intervene
    from stripe.intervene.sensitivity import sensitivity as sensitivity
    from stripe.intervene.sensitivity_result import Sensitivity as Sensitivity
    from stripe.recording import Gate as Gate
    from stripe.recording import Recording as Recording
    from stripe.recording import open_recording as open_recording
    from stripe.robustness import inject_noise as inject_noise
    from stripe.robustness import noise_bound as noise_bound
    from stripe.stats import compare as compare

#: The module of each public name; a module that is its own home is public as a whole.
_HOME = {
    "Audit": "stripe.audit.result",
    "Frozen": "stripe.gates",
    "Gate": "stripe.recording",
    "Gated": "stripe.asr",
    "MeanCam": "stripe.gradcam",
    "Psi": "stripe.asr",
    "Recorder": "stripe.hooks",
    "Recording": "stripe.recording",
    "Sensitivity": "stripe.intervene.sensitivity_result",
    "audit": "stripe.audit.audit",
    "build": "stripe.backbones",
    "compare": "stripe.stats",
    "explore": "stripe.explorer.explorer",
    "find_gates": "stripe.gates",
    "freeze": "stripe.intervene.freeze",
    "inject_noise": "stripe.robustness",
    "insert": "stripe.asr",
    "intervene": "stripe.intervene.intervene",
    "list_attentions": "stripe.attention",
    "list_backbones": "stripe.backbones",
    "mean_cam": "stripe.gradcam",
    "noise_bound": "stripe.robustness",
    "open_recording": "stripe.recording",
    "plots": "stripe.plots",
    "record": "stripe.hooks",
    "reparameterize": "stripe.asr",
    "sensitivity": "stripe.intervene.sensitivity",
    "stats": "stripe.stats",
}

__all__ = ["StripeError", *_HOME]


__getattr__, __dir__ = lazy_names(__name__, _HOME)
keep_functions(__name__, _HOME)
