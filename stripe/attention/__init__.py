"""Attention modules, one per file. Each maps features (B, C, H, W) to a gate.

A gate has the shape (B, C, 1, 1). The gate of CBAM is an exception: it includes a spatial map, so
its shape is (B, C, H, W).
"""

from stripe.attention.cbam import CBAM as CBAM
from stripe.attention.dia import DIA as DIA
from stripe.attention.eca import ECA as ECA
from stripe.attention.ie import IE as IE
from stripe.attention.registry import ATTENTIONS as ATTENTIONS
from stripe.attention.registry import list_attentions as list_attentions
from stripe.attention.se import SE as SE
from stripe.attention.spa import SPA as SPA
from stripe.attention.srm import SRM as SRM
