"""Attention and ASR as transforms of any `nn.Module`."""

from stripe.asr.gated import Gated as Gated
from stripe.asr.insert import insert as insert
