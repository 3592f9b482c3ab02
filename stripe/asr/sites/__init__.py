"""The layers of known families of networks that get attention: one rule per file."""

from stripe.asr.sites.check import check_sites as check_sites
from stripe.asr.sites.rule import RULES as RULES
from stripe.asr.sites.rule import Placement as Placement
from stripe.asr.sites.rule import default_placement as default_placement
from stripe.asr.sites.rule import family_placement as family_placement
from stripe.asr.sites.rule import named as named
