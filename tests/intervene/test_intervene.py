"""Gates that are replaced while a model runs, against models that were patched by hand."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError, RecordingError, StripeError, UnknownNameError
from stripe.gates import find_gates

How = Callable[[Tensor], Tensor]


class ByHand(nn.Module):
    """A module whose output goes through a function of its values, (B, C)."""

    def __init__(self, module: nn.Module, how: How) -> None:
        super().__init__()
        self.module, self.how = module, how

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.module(x)
        return self.how(gate.flatten(1)).reshape(gate.shape)


class ByFunctions(nn.Module):
    """Two gates that functions compute, and a product before them that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.squeeze = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)
        self.how: How = lambda values: values

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        y = y * torch.ones_like(y)
        gate = torch.sigmoid(self.squeeze(y.mean((2, 3))))
        y = y * self.how(gate)[:, :, None, None]
        return self.head((y * torch.sigmoid(y.mean((2, 3), keepdim=True))).mean((2, 3)))


def network(attention: str, **options: Any) -> Any:
    torch.manual_seed(0)
    built = stripe.build(
        "resnet8_basic", attention=attention, num_classes=10, in_channels=1, **options
    )
    for name, parameter in built.named_parameters():  # so that every gate looks at the image
        if "reduce.bias" in name:
            nn.init.constant_(parameter, 5.0)
    return built.double().eval()


def of_functions() -> Any:
    torch.manual_seed(0)
    return ByFunctions().double().eval()


def split_attention() -> Any:
    import timm

    torch.manual_seed(0)
    options: Any = {"num_classes": 5, "layers": (1, 1, 1, 1), "zero_init_last": False}
    return timm.create_model("resnest14d", **options).double().eval()


@pytest.fixture
def batch() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 1, 28, 28, generator=generator, dtype=torch.float64)


@pytest.fixture
def recorded(tmp_path: Path, batch: Tensor) -> Any:
    model = network("se")
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    return model, stripe.record(model, [(batch, labels)], tmp_path / "r", progress=False)


def same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one, other)


NUDGE: How = lambda values: values * torch.linspace(0.5, 1.5, values.shape[1]).to(values) ** 2  # noqa: E731


def kept_in(seen: list[Tensor]) -> How:
    """Return a function that keeps what it is given, and changes nothing."""

    def keep(values: Tensor) -> Tensor:
        seen.append(values)
        return values

    return keep


def by_hand(model: Any, gate: str, how: How) -> Any:
    """Return a copy in which the module that makes a gate is wrapped."""
    patched = copy.deepcopy(model)
    owner, _, name = gate.rpartition(".")
    parent = patched.get_submodule(owner)
    setattr(parent, name, ByHand(getattr(parent, name), how))
    return patched


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


@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
def test_no_trace_is_left_after_success_and_after_an_error(make: Any, batch: Tensor) -> None:
    model = make()
    expected, keys = model(batch), {n: set(vars(m)) for n, m in model.named_modules()}
    with stripe.intervene(model, "zero"):
        model(batch)
    with pytest.raises(RuntimeError), stripe.intervene(model, "zero"):
        model(batch[..., :0])
    with (
        pytest.raises(ZeroDivisionError),
        stripe.intervene(model, lambda values: values / (1 // 0)),
    ):
        model(batch)
    assert {n: set(vars(m)) for n, m in model.named_modules()} == keys
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert same(model(batch), expected)


@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
def test_a_copy_made_meanwhile_is_itself_again_afterwards(make: Any, batch: Tensor) -> None:
    model = make()
    with stripe.intervene(model, "zero"):
        other, inside = copy.deepcopy(model), model(batch)
        assert same(other(batch), inside)
        for parameter in other.parameters():
            parameter.data.mul_(2)
        assert not same(other(batch), inside)
    assert not same(other(batch), inside)
    for parameter in other.parameters():
        parameter.data.div_(2)
    torch.testing.assert_close(other(batch), model(batch))


def test_under_autocast_the_replacement_has_the_gates_format(batch: Tensor) -> None:
    model = network("se").float()
    seen: list[Tensor] = []
    gate = find_gates(model, batch.float())[0].name
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        stripe.intervene(model, np.full(16, 0.3), gates=gate),
        stripe.intervene(model, kept_in(seen), gates=gate),
    ):
        model(batch.float())
    assert seen[0].dtype == torch.bfloat16
    assert float(seen[0].max()) == pytest.approx(0.3, abs=2e-3)


@pytest.mark.slow
@torch.no_grad()
def test_a_compiled_model_runs_with_its_gates_replaced(batch: Tensor) -> None:
    model = network("se")
    with stripe.intervene(model, "zero"):
        expected = model(batch)
    compiled: Any = torch.compile(model, backend="eager")
    compiled(batch)
    with stripe.intervene(compiled, "zero"):
        assert same(compiled(batch), expected)
    assert same(compiled(batch), model(batch))


def test_a_predicate_chooses_gates(batch: Tensor) -> None:
    model = network("se")
    with stripe.intervene(model, "zero", gates=lambda gate: gate.channels == 32) as running:
        model(batch)
    assert running.gates == [g.name for g in find_gates(model, batch) if g.channels == 32]


def messages(error: type[StripeError], *parts: str) -> Any:
    """Return a context that wants an error of one line with all parts."""
    return pytest.raises(error, match=r"\A" + "".join(f"(?=.*{part})" for part in parts) + r".*\Z")


def test_bad_input_is_one_line(recorded: Any, batch: Tensor, tmp_path: Path) -> None:
    model, recording = recorded
    gate = recording.gates["name"][0]
    with messages(ModelError, "other", "force"):
        stripe.intervene(network("se").float(), "mean", recording)
    with messages(UnknownNameError, "layer1.0.bn2.gates", "it has: layer1.0.bn2.gate, layer2"):
        stripe.intervene(model, "zero", gates="layer1.0.bn2.gates")
    with messages(ModelError, "mean, grand_mean, class_mean", "'meen'"):
        stripe.intervene(model, "meen", recording)
    with messages(ModelError, "recording="):
        stripe.intervene(model, "mean")
    with messages(ModelError, "recording="):
        stripe.intervene(model, "resample", {gate: np.zeros(16)}, gate)
    with messages(ModelError, gate, "16 numbers", r"\(3,\)"):
        stripe.intervene(model, [1.0, 2.0, 3.0], gates=gate)
    with messages(ModelError, "must be recorded", "layer2"):
        stripe.intervene(model, "mean", {gate: np.zeros(16)}, "layer2.*")
    with (
        messages(ModelError, "label", "got none"),
        stripe.intervene(model, "class_mean", recording),
    ):
        model(batch)
    labelled = stripe.intervene(model, "class_mean", recording, labels=[0, 1, 2, 7, 1, 2])
    with messages(ModelError, "label 7 has none"), labelled:
        model(batch)
    with (
        messages(ModelError, gate, r"\(6, 16\)", r"\(6,\)"),
        stripe.intervene(model, lambda values: values.mean(1), gates=gate),
    ):
        model(batch)
    with messages(ModelError, "at least 2 images"), stripe.intervene(model, "shuffle"):
        model(batch[:1])
    unlabelled = stripe.record(model, [batch], tmp_path / "u", progress=False)
    with messages(RecordingError, "labels", "6 of 6"):
        stripe.intervene(model, "class_mean", unlabelled)
    entered = stripe.intervene(model, "zero")
    with entered:
        zeroed = model(batch)
        with messages(ModelError, "on already"):
            entered.__enter__()
        assert same(model(batch), zeroed)
    with messages(ModelError, "every chosen gate"):
        stripe.intervene(model, {gate: "zero"}, gates="layer2.*")
    with messages(ModelError, "none were found"):
        stripe.intervene(nn.Conv2d(1, 1, 1).double(), "zero", example=batch)


def test_a_gate_that_did_not_run_is_an_error(batch: Tensor) -> None:
    model = network("se")
    with messages(ModelError, "did not compute the gate"), stripe.intervene(model, "zero"):
        forward, model.forward = model.forward, lambda x: x.sum()
        try:
            model(batch)
        finally:
            model.forward = forward
