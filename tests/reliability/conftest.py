"""How often the reliability tests try, and from which seed."""

import random
from collections.abc import Callable

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `make reliability`."""
    parser.addoption("--full", action="store_true", help="full counts, which take about an hour")
    parser.addoption("--seed", type=int, help="seed of a run that failed; by default a new one")


@pytest.fixture
def times(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Return a function that chooses between a quick and a full count."""
    full = request.config.getoption("--full", default=False)

    def choose(quick: int, whole: int) -> int:
        return whole if full else quick

    return choose


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of a test, which is printed with its failure."""
    given = request.config.getoption("--seed", default=None)
    chosen = random.SystemRandom().randrange(2**31) if given is None else int(given)
    print(f"seed {chosen}: --seed {chosen} repeats it")  # noqa: T201
    return chosen
