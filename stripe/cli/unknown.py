"""A word that is no command: the error names the commands that were probably meant."""

from collections.abc import Sequence
from difflib import get_close_matches

from stripe.cli.examples import EXAMPLES
from stripe.errors import StripeError


def refuse_unknown(arguments: Sequence[str]) -> None:
    """Raise an error for "compare", as there are "stats compare" and "plot compare"."""
    word = arguments[0] if arguments else "-"
    if word.startswith("-") or word in {name.split()[0] for name in EXAMPLES}:
        return
    last = {name: name.split()[-1] for name in EXAMPLES}
    near = {word} if word in last.values() else {*get_close_matches(word, last.values(), n=2)}
    meant = [f"stripe {name}" for name in EXAMPLES if last[name] in near]
    if meant:
        raise StripeError(f"there is no command {word!r}; try {' or '.join(meant)}")
