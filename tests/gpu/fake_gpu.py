"""A GPU that is not there: fake tensors on "cuda", which refuse what a GPU refuses or waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

Network = TypeVar("Network", bound=nn.Module)


class FakeGenerator(torch.Generator):
    """A generator that says that it is of a device, and is on the host."""

    def __new__(cls, device: Any = "cpu") -> "FakeGenerator":
        made = super().__new__(cls)
        made.named = torch.device(device)  # type: ignore[attr-defined]
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        named: torch.device = vars(self)["named"]
        return named


class _Generators(TorchFunctionMode):
    """Refuse a generator of another device than what is drawn."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(generator := kwargs.get("generator"), torch.Generator):
            drawn = kwargs.get("device") or getattr(args[0], "device", "cpu")
            if torch.device(drawn).type != generator.device.type:
                raise RuntimeError(f"a generator of {generator.device} draws on {drawn}")
        return func(*args, **kwargs)


class _Indices(TorchDispatchMode):
    """Refuse an index on the host into a tensor on a GPU, which torch copies and waits for."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func._schema.name in ("aten::index", "aten::index_put_"):
            into, indices = args[:2]
            devices = {index.device.type for index in indices if index is not None}
            if devices - {into.device.type}:
                raise RuntimeError(f"an index of {devices} into a tensor of {into.device}")
        return func(*args, **(kwargs or {}))


@contextmanager
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tensors be fake, on "cuda" too; real ones count as fake ones of the host."""
    with monkeypatch.context() as patched:
        patched.setattr(torch, "Generator", FakeGenerator)
        indices: Any = _Indices  # torch does not annotate it
        with FakeTensorMode(allow_non_fake_inputs=True), indices(), _Generators():
            yield


def on_fake_gpu(model: Network) -> Network:
    """Put the parameters and buffers of a network onto the fake GPU, in place.

    Tensors that a network holds elsewhere stay on the host.
    """
    for module in model.modules():
        groups: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for group in groups:
            for name, tensor in group.items():
                if isinstance(tensor, Tensor):
                    group[name] = _fake(tensor)
    return model


def _fake(tensor: Tensor) -> Tensor:
    shape, strides = tensor.shape, tensor.stride()
    made = torch.empty_strided(shape, strides, dtype=tensor.dtype, device="cuda")
    return nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made
