"""Gates that are replaced while a model runs, against models that were patched by hand."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from patched import (
    NUDGE,
    How,
    by_hand,
    kept_in,
    network,
    of_functions,
    same,
    split_attention,
)
from torch import Tensor

import stripe
from stripe.errors import ModelError
from stripe.gates import find_gates


@pytest.mark.slow
@pytest.mark.parametrize("how", [NUDGE, torch.zeros_like, lambda v: v.flip(0)])
@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: network("se"), "layer2.*"),
        (lambda: network("eca"), "layer1.*"),
        (lambda: network("cbam"), "layer2.*channel"),
        (split_attention, "layer1.*"),
    ],
)
def test_a_gate_of_a_module_is_what_a_patched_model_has(
    make: Any, pattern: str, how: How, batch: Tensor
) -> None:
    model = make()
    if make is split_attention:
        batch = batch.expand(-1, 3, -1, -1)
    (gate, *_) = stripe.intervene(model, how, gates=pattern).gates
    with stripe.intervene(model, how, gates=gate):
        found = model(batch)
    expected = by_hand(model, gate, how)(batch)
    assert same(found, expected)
    assert not same(found, model(batch))


def test_a_spatial_map_is_replaced_too(batch: Tensor) -> None:
    model = network("cbam")
    how: How = lambda values: values.flip(1)  # noqa: E731
    (gate, *_) = [g.name for g in find_gates(model, batch, kinds=("spatial",))]
    with stripe.intervene(model, how, gates=gate, kinds=("spatial",), example=batch):
        found = model(batch)
    assert same(found, by_hand(model, gate, how)(batch))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["mean", "grand_mean", "class_mean", "resample"])
def test_recorded_maps_replace_a_spatial_map(how: str, batch: Tensor, tmp_path: Path) -> None:
    model, labels = network("cbam"), torch.arange(6) % 3
    with stripe.Recorder(model, tmp_path / "r", batch, spatial=True) as recorder:
        recorder.record([(batch, labels)], 0, progress=False)
    recording = stripe.open_recording(tmp_path / "r")
    (gate, *_) = recording.gates["name"][recording.gates["kind"] == "spatial"]
    maps = torch.from_numpy(recording.spatial(gate).copy()).double().flatten(1)
    drawn = torch.randint(6, (6,), generator=torch.Generator().manual_seed(0))
    expected = {
        "mean": maps.mean(0),
        "grand_mean": maps.mean(),
        "class_mean": torch.stack([maps[labels == c].mean(0) for c in labels]),
        "resample": maps[drawn],
    }[how]
    options: Any = {"kinds": ("spatial",), "example": batch}
    with stripe.intervene(model, how, recording, gate, labels=labels, **options):
        found = model(batch)
    with stripe.intervene(model, expected, gates=gate, **options):
        torch.testing.assert_close(found, model(batch), rtol=1e-9, atol=1e-9)
    options["example"] = batch[..., :8, :8]
    with pytest.raises(
        ModelError, match=r"\Athe recorded map .* size of the model's, \(8, 8\), got"
    ):
        stripe.intervene(model, how, recording, gate, **options)


@pytest.mark.parametrize("how", [NUDGE, torch.ones_like, lambda v: v.roll(1, 0)])
def test_a_gate_by_functions_is_what_a_patched_model_has(how: How, batch: Tensor) -> None:
    model = of_functions()
    first = find_gates(model, batch)[0].name
    with stripe.intervene(model, how, gates=first):
        found = model(batch)
    patched = copy.deepcopy(model)
    patched.how = how
    assert same(found, patched(batch))
    assert not same(found, model(batch))
    assert "forward" not in vars(model)


def test_products_of_a_function_are_not_counted_as_the_models(batch: Tensor) -> None:
    model = of_functions()
    first, second = [gate.name for gate in find_gates(model, batch)]
    with stripe.intervene(model, {first: NUDGE, second: "zero"}):
        found = model(batch)
    assert same(found, model.head.bias.expand(6, -1))
    with stripe.intervene(model, {first: "zero", second: NUDGE}):
        assert same(model(batch), model.head.bias.expand(6, -1))


@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
def test_an_inner_intervention_is_given_what_the_outer_made(make: Any, batch: Tensor) -> None:
    model = make()
    gate = find_gates(model, batch)[0].name
    with (
        stripe.intervene(model, lambda values: values * 0 + 3, gates=gate),
        stripe.intervene(model, lambda values: values - 2, gates=gate),
    ):
        found = model(batch)
    with stripe.intervene(model, "one", gates=gate):
        assert same(found, model(batch))


def test_an_outer_constant_does_not_hide_a_gate_from_an_inner_one(batch: Tensor) -> None:
    model = network("se")
    with (
        stripe.intervene(model, "zero"),
        stripe.intervene(model, "one") as inner,
    ):
        found = model(batch)
    assert inner.gates == [gate.name for gate in find_gates(model, batch)]
    with stripe.intervene(model, "one"):
        assert same(found, model(batch))


def test_mean_is_the_frozen_network(recorded: Any, batch: Tensor) -> None:
    model, recording = recorded
    with stripe.intervene(model, "mean", recording, "layer[23].*"):
        found = model(batch)
    frozen = stripe.freeze(model, recording, gates="layer[23].*", fold=False).model
    assert same(found, frozen(batch))


def test_grand_mean_is_one_number_per_gate(recorded: Any, batch: Tensor) -> None:
    model, recording = recorded
    numbers = {
        name: recording.values(name).mean(0, dtype=float).mean() for name in recording.gates["name"]
    }
    with stripe.intervene(model, "grand_mean", recording):
        found = model(batch)
    with stripe.intervene(model, numbers):
        torch.testing.assert_close(found, model(batch))
    with stripe.intervene(model, "mean", recording):
        assert not torch.allclose(found, model(batch))


def test_class_means_follow_the_labels(recorded: Any, batch: Tensor) -> None:
    model, recording = recorded
    gate = recording.gates["name"][0]
    values = recording.values(gate)
    rows = np.stack([values[c::3].mean(0, dtype=float) for c in (2, 0, 1, 1, 0, 2)])
    with stripe.intervene(model, "class_mean", recording, gate, labels=[2, 0, 1, 1, 0, 2]) as now:
        found = model(batch)
        now.labels = torch.tensor([0, 0])
        of_two = model(batch[:2])
    with stripe.intervene(model, rows, gates=gate):
        assert same(found, model(batch))
    with stripe.intervene(model, rows[1], gates=gate):
        assert same(of_two, model(batch[:2]))


def test_shuffle_gives_every_image_the_gates_of_another(batch: Tensor) -> None:
    model = network("se")
    seen: dict[str, Tensor] = {}
    names = [gate.name for gate in find_gates(model, batch)][:2]
    keep = {name: lambda values, name=name: seen.setdefault(name, values) for name in names}
    with stripe.intervene(model, keep):
        model(batch)
    before = dict(seen)
    seen.clear()
    # The second of the first two gates sees other features, so only the first is compared by value.
    with stripe.intervene(model, "shuffle", gates=names[0], seed=3), stripe.intervene(model, keep):
        model(batch)
    moved = seen[names[0]]
    donors = [int((before[names[0]] == row).all(1).nonzero()) for row in moved]
    assert sorted(donors) == list(range(6))
    assert all(donor != image for image, donor in enumerate(donors))


def test_what_is_drawn_comes_from_the_seed_and_nothing_else(recorded: Any, batch: Tensor) -> None:
    model, recording = recorded
    state = torch.get_rng_state()

    def run(how: str, seed: int) -> list[Tensor]:
        with stripe.intervene(model, how, recording, seed=seed):
            return [model(batch), model(batch)]

    for how in ("shuffle", "resample"):
        first, second = run(how, 0)
        assert all(map(same, run(how, 0), (first, second)))
        assert not same(first, second)
        assert not same(first, run(how, 1)[0])
    assert same(state, torch.get_rng_state())


def test_resample_takes_the_gates_of_recorded_images(recorded: Any, batch: Tensor) -> None:
    model, recording = recorded
    gate = recording.gates["name"][0]
    seen: list[Tensor] = []
    with (
        stripe.intervene(model, "resample", recording, gate),
        stripe.intervene(model, kept_in(seen), gates=gate),
    ):
        model(batch)
    values = torch.from_numpy(recording.values(gate).copy()).double()
    assert all((values == row).all(1).any() for row in seen[0])


@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
def test_gradients_go_through_and_reach_an_array(make: Any, batch: Tensor) -> None:
    model = make()
    gate = find_gates(model, batch)[0]
    array = torch.full((gate.channels,), 0.5, requires_grad=True)
    with stripe.intervene(model, array, gates=gate.name):
        model(batch).square().sum().backward()
    assert array.grad is not None
    step = torch.zeros(gate.channels)
    step[1] = 1e-5
    with torch.no_grad():
        ends = []
        for value in (array.double() + step, array.double() - step):
            with stripe.intervene(model, value, gates=gate.name):
                ends.append(model(batch).square().sum())
    torch.testing.assert_close(
        float(array.grad[1]), float(ends[0] - ends[1]) / 2e-5, rtol=1e-4, atol=1e-6
    )


def test_a_predicate_chooses_gates(batch: Tensor) -> None:
    model = network("se")
    with stripe.intervene(model, "zero", gates=lambda gate: gate.channels == 32) as running:
        model(batch)
    assert running.gates == [g.name for g in find_gates(model, batch) if g.channels == 32]
