"""Find the gates of any model; freeze and fold constant gates."""

from stripe.gates.find import find_gates as find_gates
from stripe.gates.fingerprint import fingerprint as fingerprint
from stripe.gates.freezing.freeze import freeze_at as freeze_at
from stripe.gates.freezing.frozen import Frozen as Frozen
