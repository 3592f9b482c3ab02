"""Ways are timed in turns, forwards and backwards, after a round that does not count."""

from collections.abc import Callable

from stripe.modules.timing import in_turns


def test_the_order_of_the_rounds() -> None:
    order: list[str] = []

    def way(name: str) -> Callable[[], float]:
        def run() -> float:
            order.append(name)
            return float(len(order))

        return run

    seconds = in_turns({name: way(name) for name in "abc"}, 2)
    assert "".join(order) == "cba" + "abc" + "cba"
    assert seconds == {"a": [4.0, 9.0], "b": [5.0, 8.0], "c": [6.0, 7.0]}
