"""Insert attention and ASR into any `nn.Module`, and fold ASR."""

from stripe.asr.asr import ASR as ASR
from stripe.asr.difference import largest_difference as largest_difference
from stripe.asr.gated import Gated as Gated
from stripe.asr.insert import insert as insert
from stripe.asr.psi import Psi as Psi
from stripe.asr.reparameterize import reparameterize as reparameterize
from stripe.asr.scale_layer import scale_output as scale_output
