"""Where attention goes in a network of a known family: one rule a file."""

from stripe.asr.sites.rule import RULES as RULES
from stripe.asr.sites.rule import Placement as Placement
from stripe.asr.sites.rule import default_placement as default_placement
