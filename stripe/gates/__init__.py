"""Find the gates of a model."""

from stripe.gates.find import find_gates as find_gates
from stripe.gates.undisturbed import undisturbed as undisturbed
