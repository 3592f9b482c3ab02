"""The networks of the paper."""

from stripe.backbones.build import build as build
from stripe.backbones.registry import BACKBONES as BACKBONES
from stripe.backbones.registry import list_backbones as list_backbones
