"""Headings under which long help texts list options, in their order."""

from cyclopts import Group

ATTENTION = Group.create_ordered("Attention, ASR and noise")
NETWORK = Group.create_ordered("Network")
IMAGES = Group.create_ordered("Images")
OPTIMISATION = Group.create_ordered("Optimisation")
COMPUTATION = Group.create_ordered("Computation")
ENGINE = Group.create_ordered("Engine")
