"""Whose weights a recording is of."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import stripe
from stripe import Recorder, open_recording, stats
from stripe.errors import ModelError, RecordingError
from stripe.gates import fingerprint


def test_wrappers_places_and_formats_do_not_count(small_model: nn.Sequential) -> None:
    digest = fingerprint(small_model)
    assert len(digest) == 64
    assert fingerprint(copy.deepcopy(small_model).to(memory_format=torch.channels_last)) == digest
    assert fingerprint(nn.DataParallel(small_model)) == digest
    assert fingerprint(torch.compile(small_model)) == digest  # type: ignore[arg-type]
    inside = copy.deepcopy(small_model)
    inside[1] = torch.compile(inside[1])  # type: ignore[assignment]
    assert fingerprint(inside) == digest
    assert fingerprint(small_model.train()) == fingerprint(small_model.eval()) == digest


@pytest.mark.parametrize("name", ["0.weight", "1.host.running_var", "1.host.num_batches_tracked"])
def test_one_bit_of_any_entry_counts(small_model: nn.Sequential, name: str) -> None:
    before = fingerprint(small_model)
    tensor = small_model.state_dict()[name]
    bits = tensor.view(torch.int64 if tensor.dtype == torch.int64 else torch.int32).reshape(-1)
    bits[-1] ^= 1
    assert fingerprint(small_model) != before
    bits[-1] ^= 1
    assert fingerprint(small_model) == before


def test_names_shapes_and_types_count() -> None:
    digests = {
        fingerprint(model)
        for model in (
            nn.ParameterDict({"a": torch.zeros(6)}),
            nn.ParameterDict({"b": torch.zeros(6)}),
            nn.ParameterDict({"a": torch.zeros(2, 3)}),
            nn.ParameterDict({"a": torch.zeros(3, 2)}),
            nn.ParameterDict({"a": torch.zeros(6, dtype=torch.bfloat16)}),
            nn.ParameterDict({"a": torch.zeros(3), "b": torch.zeros(3)}),
        )
    }
    assert len(digests) == 6


class Unusual(nn.Module):
    """A state_dict of everything that one may hold."""

    def __init__(self, extra: Any) -> None:
        super().__init__()
        self.extra = extra
        self.shared = nn.ModuleList([layer := nn.Linear(2, 2), layer])
        self.register_buffer("scalar", torch.tensor(1.5))
        self.register_buffer("nothing", torch.empty(0, 3))
        self.register_buffer("complex", torch.ones(2, dtype=torch.complex64).conj())
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("sparse", torch.eye(2).to_sparse())
        self.register_buffer("meta", torch.ones(2, device="meta"))
        self.register_buffer("int8", torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8))

    def get_extra_state(self) -> Any:
        return self.extra

    def set_extra_state(self, state: Any) -> None:
        self.extra = state


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated, but still about
def test_what_else_a_state_dict_may_hold() -> None:
    def digest(extra: Any) -> str:
        torch.manual_seed(0)
        return fingerprint(Unusual(extra))

    extras = ({"a": [1, torch.ones(2)]}, {"a": [1, torch.zeros(2)]}, "text", None, torch.float16)
    assert len({digest(extra) for extra in extras}) == 5
    assert digest(object()) == digest(object())  # no address in it


def record(model: nn.Module, path: Path, images: Tensor, epoch: int = 0) -> None:
    with Recorder(model, path, images, resume=True) as recorder:
        recorder.record([images], epoch, progress=False)


def test_a_recording_says_whose_weights_it_is_of(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    with Recorder(small_model, tmp_path / "r", images) as recorder:
        recorder.record([images], 0, progress=False)
        first = fingerprint(small_model)
        nn.init.zeros_(small_model[0].weight)  # type: ignore[arg-type]
        recorder.record([images], 1, progress=False)
        assert recorder.is_current(1)
        assert not recorder.is_current(0)
        assert not recorder.is_current(2)
        recorder.discard(0)
        assert recorder.epochs == []
        recorder.record([images], 0, progress=False)
    recording = open_recording(tmp_path / "r")
    assert recording.weights() == fingerprint(small_model) != first


def test_freeze_refuses_a_recording_of_other_weights(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    record(small_model, tmp_path / "r", images)
    moments = stats.channel_moments(tmp_path / "r")
    other = copy.deepcopy(small_model)
    nn.init.normal_(other[0].weight)  # type: ignore[arg-type]
    record(other, tmp_path / "r", images, epoch=1)  # the same network, trained on
    for data in (
        tmp_path / "r",
        open_recording(tmp_path / "r"),
        stats.channel_moments(tmp_path / "r"),
    ):
        stripe.freeze(small_model, data, epoch=0)
        stripe.freeze(other, data)
        for model, epoch in ((other, 0), (small_model, 1), (small_model, None)):
            with pytest.raises(ModelError, match=r"recorded from the weights that the model has"):
                stripe.freeze(model, data, epoch=epoch)
        stripe.freeze(other, data, epoch=0, force=True)
    stripe.freeze(small_model, moments)
    with pytest.raises(ModelError, match="force=True"):
        stripe.freeze(other, moments)
    by_hand = pd.DataFrame(moments)
    by_hand.attrs.clear()
    stripe.freeze(other, by_hand)  # nobody knows whose they are


def test_another_network_does_not_continue_a_recording(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    class Net(nn.Sequential):
        """The same gates in another class."""

    record(small_model, tmp_path / "r", images)
    other = Net(*copy.deepcopy(small_model))
    with pytest.raises(RecordingError, match=r"with the model 'Sequential' .* got 'Net'"):
        record(other, tmp_path / "r", images, epoch=1)
    abouts: Any = ({"dataset": "other"}, {"seed": 1}, {"name": "other"})
    for about in abouts:
        with pytest.raises(RecordingError, match="must be continued with the"):
            Recorder(small_model, tmp_path / "r", images, resume=True, **about)
    with pytest.raises(RecordingError, match="with the model class 'Sequential'"):
        Recorder(other, tmp_path / "r", images, resume=True, name="Sequential")
    assert open_recording(tmp_path / "r").verify()["epoch"].tolist() == [0]


@pytest.mark.filterwarnings("ignore:the loader does not tell")
def test_a_record_that_fails_leaves_no_directory(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    twice = [(images[:4], torch.arange(4), torch.zeros(4, dtype=torch.int64))]
    with pytest.raises(RecordingError, match="image 0 occurs 4 times"):
        stripe.record(small_model, twice, tmp_path / "runs/a", progress=False)
    with pytest.raises(ModelError):
        stripe.record(small_model, [images, {"no": "images"}], tmp_path / "runs/a", progress=False)
    with pytest.raises(KeyError), Recorder(small_model, tmp_path / "b", images) as recorder:
        recorder.record(_broken(images), 0, progress=False)
    assert not list(tmp_path.iterdir())


def _broken(images: Tensor) -> Any:
    yield images
    raise KeyError("a loader that breaks")


def test_freeze_from_a_command_line(
    run: Callable[..., tuple[int, str]], images: Tensor, tmp_path: Path
) -> None:
    """`--force` for those who mean it."""
    pictures = torch.randn(2, 3, 32, 32)
    for seed in (0, 1):
        network = stripe.build("resnet11", attention="se", num_classes=10, seed=seed)
        save_file(network.state_dict(), tmp_path / f"{seed}.safetensors")
        stripe.record(network, [pictures], tmp_path / f"gates-{seed}", progress=False)
    common = ["freeze", "--model", "resnet11", "--attention", "se", "--num-classes", 10]
    common += ["--weights", tmp_path / "0.safetensors", "--out", tmp_path / "out.safetensors"]
    code, said = run(*common, "--recording", tmp_path / "gates-1")
    assert code == 1
    assert "got a recording of others" in said
    assert "--force" in said
    assert not (tmp_path / "out.safetensors").exists()
    assert run(*common, "--recording", tmp_path / "gates-0")[0] == 0
    (tmp_path / "out.safetensors").unlink()
    (tmp_path / "out.frozen.json").unlink(missing_ok=True)
    code, said = run(*common, "--recording", tmp_path / "gates-1", "--force")
    assert code == 0, said


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3,), (2, 3), (0,)])
def test_strides_do_not_count(shape: tuple[int, ...]) -> None:
    """A network of a converter held a buffer of one element with stride 0."""

    class Holder(nn.Module):
        def __init__(self, value: Tensor) -> None:
            super().__init__()
            self.register_buffer("value", value)

    digest = fingerprint(Holder(torch.full(shape, 2.0)))
    assert fingerprint(Holder(torch.tensor(2.0).expand(shape))) == digest
    wide = torch.full((*shape, 2), 2.0)
    assert fingerprint(Holder(wide[..., 0])) == digest
