"""Gates of random networks are folded, and the networks compute what constants compute."""

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from random_networks import CHANNELS, DESCRIPTIONS, Gate, Ours, network
from torch import nn

import stripe

pytestmark = pytest.mark.slow

#: A gate of a constant network is off by rounding alone.
TOLERANCE = 1e-9


def constants(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Return a constant of the given kind for every channel."""
    v = rng.uniform(-1.5, 1.5, CHANNELS)
    if kind == "positive":
        return np.abs(v)
    return np.round(v) if kind == "whole" else v


def with_constants(model: nn.Module, values: dict[str, np.ndarray]) -> nn.Module:
    """Return a copy whose gates, by the name of their module, are constants."""
    copied = copy.deepcopy(model)
    for name, v in values.items():
        module = copied.get_submodule(name)
        assert isinstance(module, Gate | Ours)
        module.constant = torch.tensor(v)
    return copied


def owner(gate: stripe.Gate) -> str:
    """Return the name of our module that multiplies by a gate."""
    return gate.owner.removesuffix(".gated")


def only_rounding(model: nn.Module, name: str, images: torch.Tensor) -> bool:
    """Tell whether a module puts out rounding alone, as an instance norm of constant planes does.

    No comparison can then tell whether a fold is right, so the gate is kept.
    """
    sizes: list[float] = []

    def measure(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        sizes.extend([args[0].abs().max().item(), output.abs().max().item()])

    handle = model.get_submodule(name).register_forward_hook(measure)
    with torch.no_grad():
        model(images)
    handle.remove()
    return sizes[1] <= TOLERANCE * sizes[0]


def test_folded_networks_equal_those_with_constants(
    times: Callable[[int, int], int], seed: int
) -> None:
    counts: Counter[str] = Counter()

    @seeded(seed)
    @settings(
        max_examples=times(24, 1000), deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(
        DESCRIPTIONS,
        st.sampled_from(["positive", "signed", "whole"]),
        st.booleans(),
        st.integers(0, 2**16),
    )
    def holds(description: tuple[Any, ...], kind: str, put_out: bool, drawn: int) -> None:
        model = network(description, put_out, drawn)
        generator = torch.Generator().manual_seed(drawn)
        images = torch.randn(2, 2, 6, 6, dtype=torch.float64, generator=generator)
        gates = stripe.find_gates(model, images)
        rng = np.random.default_rng(drawn)
        means = {gate.name: constants(rng, kind) for gate in gates}
        frozen = stripe.freeze(model, means, example=images)
        values = {owner(gate): means[gate.name] for gate in gates}
        with torch.no_grad():
            for x in (images.clone(), 7 * images):
                expected = with_constants(model, values)(x.clone())
                for one, other in zip(frozen.model(x.clone()), expected, strict=True):
                    bound = TOLERANCE * max(1.0, other.abs().max().item())
                    assert (one - other).abs().max().item() <= bound
        made = [m for m in model.modules() if isinstance(m, Gate | Ours)]
        assert len(gates) == len(made)
        for row in frozen.report.to_dict("records"):
            assert row["frozen"], row
            assert row["folded"] or row["reason"], row
            if "changes the output" in str(row["reason"]):
                gate = next(gate for gate in gates if gate.name == row["gate"])
                assert only_rounding(model, owner(gate), images), row
            counts["folded" if row["folded"] else "stays"] += 1

    holds()
    print(f"{counts['folded']} gates were folded, {counts['stays']} stay scales")  # noqa: T201
    assert counts["folded"] > counts["stays"] / 3
