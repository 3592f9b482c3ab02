"""Every public function refuses arguments of a wrong type with an error of one line."""

import inspect
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
import pytest
import torch
from jaxtyping import Float
from public_names import public
from torch import nn

import stripe
from stripe.data import ImageSet
from stripe.errors import NoBatchError, StripeError, UnknownOptionError
from stripe.gradcam import MeanCam
from stripe.hints import fits, in_words
from stripe.recording import Recorded
from stripe.robustness import NoiseSpec
from stripe.style import Comparison, StyleConfig, style_network
from stripe.train import TrainConfig
from stripe.typed import typed

#: Classes that functions return, or that check their fields in another way.
RESULTS = {"Audit", "Boxes", "Comparison", "Explorer", "Frozen", "FrozenGraph", "Gate", "Gates",
           "Header", "ImageSet", "MeanCam", "Moments", "RecordedGate", "Sensitivity",
           "StripeError", "StyleConfig", "StyleRun", "TrainConfig", "TrainResult"}  # fmt: skip

#: Plots of a table.
OF_TABLES = ["ablation", "batch_sensitivity", "freezing", "noise_bound", "noise_robustness",
             "reproduction", "sensitivity", "tradeoff"]  # fmt: skip
#: Strings, numbers and None that are valid, by the name of their argument.
ACCEPTED = {
    *(("name", "no such thing"), ("path", "no such thing"), ("dataset", "no such thing")),
    ("out", "no such thing"),
    *(("channels", 3), ("count", 3), ("batch_size", 3), ("share", 3), ("tol", 3), ("how", 3)),
    ("attention", None),
}

PUBLIC = {name: value for name, value in public().items() if name.rpartition(".")[2] not in RESULTS}


def arguments(of: Any, *, required: bool) -> list[str]:
    """Return the names of the arguments that are required, or of those that are not."""
    return [
        one.name
        for one in inspect.signature(of).parameters.values()
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        and (one.default is one.empty) == required
    ]


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return valid values of the required arguments, by their names."""
    torch.manual_seed(0)
    folder, images = tmp_path_factory.mktemp("typed"), torch.rand(4, 1, 28, 28)
    model = stripe.build("resnet8_basic", attention="se", num_classes=3, in_channels=1)
    recording = stripe.record(model, [images], folder / "recording", progress=False)
    style = Comparison([], {}, pd.DataFrame(), pd.DataFrame(), "random", {})
    cam = MeanCam(np.ones((2, 2)), np.ones((1, 2, 2)), 1, 0.25, 0.25)
    pixels = ImageSet("x", images.byte(), torch.zeros(4).long(), ("a",), (0.5,), (0.5,))
    own: dict[tuple[str, str], Any] = {
        (f"plots.{plot}", "data"): pd.DataFrame() for plot in OF_TABLES
    }
    own |= {("plots.mean_cam", "data"): cam, ("plots.style_grid", "data"): {}}
    own |= {("data.DeviceLoader", "dataset"): pixels, ("train.train", "config"): TrainConfig()}
    own |= {("style.stylise", "network"): style_network("bn"), ("Gated", "gate"): model}
    return {
        **{"of one name": own, "one": [1], "other": [1], "gate": recording.gates["name"][0]},
        **{"model": model, "before": model, "after": model, "host": model, "network": model},
        **{"layer": model, "attention": None, "loader": [images], "example": images},
        **{"psi": torch.ones(1, 4, 1, 1), "v": torch.ones(4), "recording": recording},
        **{"data": recording, "path": folder / "path", "out": folder, "header": recording.header},
        **{"values": np.ones((2, 2)), "cam": np.ones((2, 2)), "backbone": "resnet8_basic"},
        **{"name": "resnet8_basic", "split": "test", "spec": "batch", "noises": ["batch"]},
        **{"how": "one", "kind": "batch", "count": 1, "share": 0.5, "tol": 0.1, "channels": 4},
        **{"batch_size": 2, "root": folder, "dataset": [1], "found": style, "run": folder},
        **{"config": StyleConfig(), "runs": {}, "variant": "bn", "norm": nn.BatchNorm2d},
        **{"images": [images[0]], "ax": None, "output": images},
    }


def given_to(name: str, valid: dict[str, Any]) -> dict[str, Any]:
    """Return valid values of the required arguments of a public name."""
    given = {one: valid[one] for one in arguments(PUBLIC[name], required=True)}
    if name.startswith("stripe.onnx."):
        given |= {"model": "model.onnx"} if "model" in given else {}
    for one in given:
        given[one] = valid["of one name"].get((name.removeprefix("stripe."), one), given[one])
    return given


def refused(name: str, given: dict[str, Any]) -> str:
    """Return the error of a call."""
    with pytest.raises(StripeError) as caught:
        PUBLIC[name](**given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_has_a_type(name: str, valid: dict[str, Any]) -> None:
    given, own = given_to(name, valid), PUBLIC[name].__qualname__
    for one in [*arguments(PUBLIC[name], required=True), *arguments(PUBLIC[name], required=False)]:
        if inspect.signature(PUBLIC[name]).parameters[one].annotation is not Any:
            assert f"{own}: {one} must be" in refused(name, {**given, one: object()})


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("seed", [-1, 2**63])
def test_every_seed_is_one_of_torch_and_numpy(seed: int, valid: dict[str, Any]) -> None:
    seeded = [name for name in PUBLIC if "seed" in arguments(PUBLIC[name], required=False)]
    assert len(seeded) > 10
    for name in seeded:
        said = refused(name, {**given_to(name, valid), "seed": seed})
        assert said.endswith(f"seed must be 0 to {2**63 - 1}, got {seed}")


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("name", PUBLIC)
def test_strings_numbers_and_none_are_refused(
    name: str, valid: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = given_to(name, valid)
    for argument in given:
        for wrong in ("no such thing", 3, None):
            if (argument, wrong) not in ACCEPTED:
                refused(name, {**given, argument: wrong})


def test_a_path_may_be_a_string() -> None:
    for name, one in PUBLIC.items():
        for argument in inspect.signature(one).parameters.values():
            said = str(argument.annotation)
            assert "Path" not in said or "str" in said, f"{name}({argument})"


@typed
def example(count: int, names: Sequence[str] = (), *more: float, **options: Any) -> int:
    """Return a number, as a function of a user does."""
    return count


@pytest.mark.usefixtures("as_a_user")
def test_what_an_error_says() -> None:
    for given, argument, expected, came in (
        (["3"], "count", "an integer", "'3'"),
        ([np.ones(2)], "count", "an integer", "an object of type ndarray"),
        ([3, "abc"], "names", "a list of strings", "'abc'"),
        ([3, ["a", 4]], "names", "a list of strings", "['a', 4]"),
        ([3, [], 1.0, None], "more", "a number", "None"),
    ):
        with pytest.raises(StripeError) as caught:
            example(*given)
        assert str(caught.value) == (
            f"example: {argument} must be {expected}, got {came}; help(example) shows an example"
        )


def test_more_arguments_than_there_are_names_for() -> None:
    with pytest.raises(StripeError, match=r"as one list, compare\(\[\.\.\.\]\)\Z"):
        stripe.compare("runs/a", "runs/b")  # type: ignore[call-arg]
    with pytest.raises(StripeError, match=r"got 2 without one; give the others by name\Z"):
        stripe.build("resnet20", "se")  # type: ignore[call-arg,arg-type]
    with pytest.raises(StripeError, match=r"every argument must be given by name, got 1 without"):
        stripe.Psi(0.3)  # type: ignore[call-arg]
    with pytest.raises(StripeError, match=r"only text can be given without a name, got 2 without"):
        stripe.Psi.parse("0.1", "0.2")  # type: ignore[call-arg]


def test_a_name_that_there_is_not_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        StripeError, match=r"\Arecord: there is no option 'gate'; the nearest is gates"
    ):
        stripe.record(nn.Linear(1, 1), [], tmp_path / "r", gate=["a"])
    with pytest.raises(
        StripeError, match=r"record: there is no option 'over_write'; the nearest is overwr"
    ):
        stripe.record(nn.Identity(), [], "r", over_write=True)
    with pytest.raises(
        StripeError, match=r"open_recording: there is no option 'epoch'; help\(open_recording\)"
    ):
        stripe.open_recording("r", epoch=3)  # type: ignore[call-arg]
    assert not (tmp_path / "r").exists()
    with pytest.raises(TypeError, match=r"missing .* argument: 'path'"):
        stripe.record(nn.Linear(1, 1), [], gates="all")  # type: ignore[call-arg]


def test_errors_cross_processes() -> None:
    with pytest.raises(UnknownOptionError) as raised:
        stripe.record(nn.Linear(1, 1), [], "r", progres=True)
    for error in (raised.value, NoBatchError()):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)


def test_what_nobody_would_write_is_not_the_nearest() -> None:
    @typed
    class Named:
        def __init__(self, n_images: int) -> None:
            self.n_images = n_images

    with pytest.raises(StripeError, match=r"Named: there is no option 'sel'; help\(.*Named\)"):
        Named(n_images=1, sel=2)  # type: ignore[call-arg]

    @typed
    def drawn(data: int, **kwargs: Any) -> dict[str, Any]:
        return dict(**kwargs, **{"kwarg": 1})

    assert drawn(1, a=2) == {"a": 2, "kwarg": 1}


def test_a_call_without_its_arguments_is_an_error_of_python() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'count'"):
        example()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (np.int64(3), int),
        (np.float32(3), float),
        (torch.tensor(3.0), float),
        (np.arange(3), Sequence[int]),
        (range(3), Sequence[int]),
        (torch.ones(2, 1), Float[torch.Tensor, "b c"]),
        ([torch.ones(2)], Iterable[Any]),
        (None, str | None),
        ([4, 5], tuple[int, int]),
        (nn.ReLU(), TypeVar("Network", bound=nn.Module)),
    ],
)
def test_values_that_behave_like_the_declared_ones_fit(value: object, hint: Any) -> None:
    assert fits(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (2.0, int),
        ("3", float),
        ("abc", Sequence[str]),
        (iter([3]), Sequence[int]),
        ({3}, Sequence[int]),
        ({3: 4}, Sequence[int]),
        ([3, None], Iterable[int]),
        ([4, 5, 6], tuple[int, int]),
        (np.ones(2), Float[torch.Tensor, "b"]),
        (nn.ReLU, nn.Module),
        (3, Literal["a", "b"]),
    ],
)
def test_other_values_do_not(value: object, hint: Any) -> None:
    assert not fits(value, hint)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Recorded | Sequence[Recorded], "a recording or its directory, or a list of recordings"),
        (str | Path | None, "a path or None"),
        (Literal["a", "b"], "one of a, b"),
        (Mapping[str, float], "a dictionary"),
        (Callable[[int], int] | int, "a function or an integer"),
        (Iterable[Any], "an iterable, such as a DataLoader"),
    ],
)
def test_types_in_words(hint: Any, words: str) -> None:
    assert in_words(hint) == words


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("read", [stripe.Psi.parse, NoiseSpec.parse, MeanCam.load])
def test_a_number_is_no_text_and_no_file(read: Any) -> None:
    with pytest.raises(StripeError, match=r"(Psi|NoiseSpec|MeanCam)\..*: .* must be a .*, got 3;"):
        read(3)


@pytest.mark.usefixtures("as_a_user")
def test_methods_of_a_recording(valid: dict[str, Any]) -> None:
    for read in ("values", "inputs", "spatial", "gate"):
        with pytest.raises(StripeError, match=f"Recording.{read}: .* must be a string, got 3;"):
            getattr(valid["recording"], read)(3)
    with pytest.raises(StripeError, match="epoch must be an integer or None, got 'last';"):
        valid["recording"].rows("last")


def test_an_unknown_option_that_is_passed_on_is_named() -> None:
    def inner(size: int) -> int:
        return size

    @typed
    def outer(n_images: int = 3, **options: Any) -> int:
        return n_images + inner(**options)

    assert outer(size=2) == 5
    with pytest.raises(StripeError, match="no option 'n_image'; the nearest is n_images; help"):
        outer(n_image=4)
    with pytest.raises(StripeError, match="there is no option 'zzz'; help"):
        outer(zzz=4)
    with pytest.raises(TypeError, match="unexpected"):  # of a function inside, not of a caller
        outer(size=inner(**{"other": 1}))


def test_a_table_is_no_list_of_recordings() -> None:
    assert not fits(pd.DataFrame({"a": [1]}), Sequence[str])
    assert fits(pd.Series(["a"]), Sequence[str])
