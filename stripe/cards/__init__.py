"""Describe a recording so that others can find, cite and read it as data."""

from stripe.cards.about import About as About
from stripe.cards.card import write_card as write_card
from stripe.cards.croissant import croissant as croissant
