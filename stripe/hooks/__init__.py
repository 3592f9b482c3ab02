"""Record the gates of a running model."""

from stripe.hooks.callback import RecordCallback as RecordCallback
from stripe.hooks.distributed_sampler import EachOnce as EachOnce
from stripe.hooks.one_epoch import record as record
from stripe.hooks.recorder import Recorder as Recorder
