"""From a running model to a recording."""

from stripe.hooks.recorder import Recorder as Recorder
from stripe.hooks.recorder import record as record
from stripe.hooks.share import EachOnce as EachOnce
