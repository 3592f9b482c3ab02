"""Channel-attention modules: one a file, each maps features (B, C, H, W) to a gate (B, C, 1, 1)."""

from stripe.attention.registry import ATTENTIONS as ATTENTIONS
from stripe.attention.registry import list_attentions as list_attentions
from stripe.attention.se import SE as SE
