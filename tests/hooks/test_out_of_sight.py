"""Gates and features that change out of sight: through views, other objects, between passes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_by_image import Bare, Squeeze, recorded
from torch import Tensor, nn

from stripe import Recorder, open_recording
from stripe.errors import ModelError

Body = Callable[[Any, Tensor], Any]


def images(count: int) -> Tensor:
    """Return images of different brightness."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, 16, 16, generator=generator) + torch.randn(
        count, 1, 1, 1, generator=generator
    )


class Gate(nn.Module):
    """A gate (B, C, 1, 1), which does not multiply."""

    def __init__(self) -> None:
        super().__init__()
        self.se = Squeeze()

    def forward(self, x: Tensor) -> Tensor:
        v: Tensor = self.se.gate(self.se.fc(x.mean((2, 3))))
        return v[..., None, None]


def model_of(body: Body) -> Bare:
    torch.manual_seed(3)
    return Bare(body, v=Gate())


def multiplied(m: Any, features: Tensor, gate: Tensor, **options: Any) -> Tensor:
    """Multiply, and keep what was multiplied."""
    vars(m).setdefault("operands", []).append(
        (gate.detach().flatten(1).clone(), features.detach().mean((2, 3)).clone())
    )
    return torch.mul(features, gate, **options)


def operands_alone(model: Any, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return gates and averages of features, each image in a pass of its own."""
    vars(model)["operands"] = []
    with torch.no_grad():
        for image in x:
            model.eval()(image[None])
    gates, features = zip(*vars(model).pop("operands"), strict=True)
    return torch.cat(gates).numpy(), torch.cat(features).numpy()


class Colour(Tensor):
    """A tensor of another class, as libraries for medical images have them."""


def features_in_a_view(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    f.view(len(f), -1).relu_()
    return multiplied(m, f, m.v(f))


def features_in_a_slice(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    f[:, :3] = 0
    return multiplied(m, f, m.v(f))


def features_in_data(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    f.data.clamp_(min=0)
    return multiplied(m, f, m.v(f))


def gate_in_a_slice(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    v = m.v(f)
    v[:, :2] = 0.25
    return multiplied(m, f, v)


def into_another(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    return multiplied(m, f, m.v(f), out=torch.empty_like(f))


def channels_in_another_order(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    return multiplied(m, f.flip(1), m.v(f).flip(1))


def of_a_subclass(m: Any, x: Tensor) -> Any:
    f = m.stem(x).as_subclass(Colour)
    return multiplied(m, f, m.v(f))


def gradients_too(m: Any, x: Tensor) -> Any:
    with torch.enable_grad():
        f = m.stem(x).detach().requires_grad_()
        y = multiplied(m, f, m.v(f))
        (slope,) = torch.autograd.grad(y.square().sum(), f)  # it multiplies by the gate again
    return y + slope


@pytest.mark.parametrize("sizes", [(4, 4), (1, 1, 1)])
@pytest.mark.parametrize(
    "body",
    [
        *(features_in_a_view, features_in_a_slice, features_in_data, gate_in_a_slice),
        *(into_another, channels_in_another_order, of_a_subclass, gradients_too),
    ],
)
def test_what_is_multiplied_is_recorded(body: Body, sizes: tuple[int, ...], tmp_path: Path) -> None:
    model, x = model_of(body), images(sum(sizes))
    (values,) = recorded(model, list(x.split(list(sizes))), tmp_path / "r").values()
    recording = open_recording(tmp_path / "r")
    gates, features = operands_alone(model, x)
    np.testing.assert_allclose(values, gates, atol=1e-5)
    name = recording.gates["name"].item()
    np.testing.assert_allclose(recording.inputs(name, 0), features, atol=1e-5)


def test_a_channel_gate_that_is_changed_before_a_spatial_map_meets_it(tmp_path: Path) -> None:
    def body(m: Any, x: Tensor) -> Any:
        f = m.stem(x)
        v = m.v(f)
        v[:, :2] = 0.25
        return f * (v * f.mean(1, keepdim=True).sigmoid())

    with pytest.raises(ModelError, match="no gates were found"):  # the module's output is another
        recorded(model_of(body), [images(4)], tmp_path / "r")


def test_features_that_are_exchanged_are_refused(tmp_path: Path) -> None:
    """After the gate is computed; before it, the average that the gate is made of is recorded."""

    def body(m: Any, x: Tensor) -> Any:
        f = m.stem(x)
        v = m.v(f)
        f.data = f.data.relu()
        return f * v

    with pytest.raises(ModelError, match="the input of 'v' must be what 'the model' mult"):
        recorded(model_of(body), [images(4)], tmp_path / "r")
    assert recorded(model_of(body), [images(4)], tmp_path / "s", inputs=False)["v"].shape == (4, 6)


def of_the_pass_before(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    v = (5 * f.mean((2, 3), keepdim=True)).sigmoid()
    before = vars(m).get("before", v)
    vars(m)["before"] = v
    return f * (v if before.is_meta or before.shape != v.shape else before)


def mixed_with_the_passes_before(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    v = (5 * f.mean((2, 3), keepdim=True)).sigmoid()
    before = vars(m).get("before")
    average = v.mean(0, keepdim=True)
    if before is not None and not before.is_meta:
        average = 0.9 * average + 0.1 * before
    vars(m)["before"] = average
    return f * (0.5 * v + 0.5 * average)


def turned_in_every_third_pass(m: Any, x: Tensor) -> Any:
    vars(m)["passes"] = vars(m).get("passes", 0) + (not x.is_meta)
    return m.one(x.flip(0) if vars(m)["passes"] % 3 == 2 else x)


def turned_after_eight_passes(m: Any, x: Tensor) -> Any:
    vars(m)["passes"] = vars(m).get("passes", 0) + (not x.is_meta)
    return m.one(x.flip(0) if vars(m)["passes"] > 8 else x)


def kept_for_ever(m: Any, x: Tensor) -> Any:
    f = m.stem(x)
    before = vars(m).get("gate")
    if before is None or before.is_meta:
        before = vars(m)["gate"] = (5 * f.mean((2, 3), keepdim=True)).sigmoid()
    return f * before


def test_what_changes_after_some_passes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="must follow the images"):
        recorded(model_of(turned_after_eight_passes), list(images(30).split(3)), tmp_path / "a")
    assert not (tmp_path / "a" / "data").exists()


def test_a_gate_that_is_kept_from_the_first_image_is_refused(tmp_path: Path) -> None:
    x = images(6)
    with pytest.raises(ModelError, match="kept from one pass to the next"):
        recorded(model_of(kept_for_ever), list(x.split(1)), tmp_path / "a")

    def saturated(m: Any, x: Tensor) -> Any:
        f = m.stem(x)
        return f * (f.mean((2, 3), keepdim=True) + 100).sigmoid()

    gates = recorded(model_of(saturated), list(x.split(1)), tmp_path / "b")
    assert gates["Bare"].shape == (6, 6)


def test_what_is_kept_between_passes_is_refused_or_warned_of(tmp_path: Path) -> None:
    x = images(6)
    alone = list(x.split(1))
    with pytest.raises(ModelError, match="kept from one pass to the next"):
        recorded(model_of(of_the_pass_before), alone, tmp_path / "a")
    with pytest.raises(ModelError, match="must follow the images"):
        recorded(model_of(turned_in_every_third_pass), list(x.split(3)), tmp_path / "b")
    with pytest.warns(UserWarning, match="or kept between passes, and changes these gates"):
        recorded(model_of(mixed_with_the_passes_before), alone, tmp_path / "c")
    assert recorded(model_of(lambda m, x: m.one(x)), alone, tmp_path / "d")["se.gate"].shape == (
        6,
        6,
    )


def test_spectra(tmp_path: Path) -> None:
    def body(m: Any, x: Tensor) -> Any:
        f = torch.fft.rfft2(m.stem(x))
        return f * m.v(f.abs())

    x = images(4)
    model: Any = model_of(body)
    values = recorded(model, [x], tmp_path / "r")["v"]
    with torch.no_grad():
        f = torch.fft.rfft2(model.stem(x)).abs()
        np.testing.assert_allclose(values, model.v(f).flatten(1), atol=1e-5)
    inputs = open_recording(tmp_path / "r").inputs("v", 0)
    np.testing.assert_allclose(inputs, f.mean((2, 3)), rtol=1e-4)


def test_a_gate_whose_channels_follow_the_number_of_images(tmp_path: Path) -> None:
    def body(m: Any, x: Tensor) -> Any:
        f = m.stem(x)
        v = m.v(f).reshape(1, -1, 1, 1)
        return (f.reshape(1, -1, *f.shape[2:]) * v).reshape_as(f)

    with pytest.raises(ModelError, match="a gate must have 12 values per image"):
        recorded(model_of(body), list(images(3).split(1)), tmp_path / "r")


def test_parts_of_a_batch_that_may_be_empty_are_refused_in_one_line(tmp_path: Path) -> None:
    def body(m: Any, x: Tensor) -> Any:
        bright = x.mean((1, 2, 3)) > 0
        return torch.cat([m.one(x[bright]), m.one(x[~bright])])

    for sizes in ((4, 4), (1, 1, 1)):
        x = images(sum(sizes)).abs()  # of which none is dark
        with pytest.raises(ModelError, match="se") as raised:
            recorded(model_of(body), list(x.split(list(sizes))), tmp_path / "r")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("changed", ["gate", "features"])
def test_a_model_that_begins_to_multiply_by_something_else_in_a_later_epoch(
    changed: str, tmp_path: Path
) -> None:
    late = {"gate": False, "features": False}

    def body(m: Any, x: Tensor) -> Any:
        f = m.stem(x)
        v = m.v(f)
        return (f + 0.1 if late["features"] else f) * (v + 0.1 if late["gate"] else v)

    batches = list(images(12).split(6))
    with Recorder(model_of(body), tmp_path / "r") as recorder:
        recorder.record(batches, 0, progress=False)
        late[changed] = True
        with pytest.raises(ModelError, match="differs"):
            recorder.record(batches, 1, progress=False)
        assert recorder.epochs == [0]
