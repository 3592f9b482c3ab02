"""Choose gates of a model by names, patterns or a predicate."""

from collections.abc import Sequence

from stripe.recording import Gate
from stripe.select import Selection, select


def chosen_gates(found: Sequence[Gate], gates: Selection | None) -> list[Gate]:
    """Return the chosen gates, in forward order. A predicate is called with each `Gate`.

    Raises
    ------
    UnknownNameError
        As for `stripe.select.select`.
    """
    by_name = {gate.name: gate for gate in found}
    return [by_name[name] for name in select(by_name, gates, kind="gate")]
