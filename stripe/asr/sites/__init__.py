"""The layers of known families of networks that get attention: one rule per file."""

from stripe.asr.sites.check import check_sites as check_sites
from stripe.asr.sites.rule import RULES as RULES
from stripe.asr.sites.rule import FamilyDefaults as FamilyDefaults
from stripe.asr.sites.rule import family_defaults as family_defaults
from stripe.asr.sites.rule import insert_defaults as insert_defaults
from stripe.asr.sites.rule import named as named
