"""Which tensors of a trace share memory, and which operations write into it."""

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from stripe.gates.tracing.steps import Trace

#: Offset, shape and strides of a tensor in its storage.
_Form = tuple[int, tuple[int, ...], tuple[int, ...]]


class Memory:
    """The nodes that each storage holds, and those that were written into it.

    A tensor can change without an operation on it: through a view, or through what `Tensor.data` or
    `as_subclass` returns, which is another object in the same storage.
    """

    def __init__(self) -> None:
        self._held = WeakIdKeyDictionary()
        self._written = WeakIdKeyDictionary()

    def hold(self, tensor: Tensor, node: int) -> None:
        """Note the node of a tensor."""
        if (form := _form(tensor)) is not None:
            self._held.setdefault(tensor.untyped_storage(), {})[form] = node

    def holder(self, tensor: Tensor) -> int | None:
        """Return the node of another tensor of the same form in the same storage."""
        if (form := _form(tensor)) is None:
            return None
        node: int | None = self._held.get(tensor.untyped_storage(), {}).get(form)
        return node

    def depends(self, tensor: Tensor, trace: Trace) -> bool:
        """Tell whether anything in the storage of a tensor depends on the input."""
        if _form(tensor) is None:
            return False
        held = self._held.get(tensor.untyped_storage(), {})
        return any(trace.nodes[node].depends for node in held.values())

    def write(self, tensor: Tensor, node: int) -> None:
        """Note a write, into the storage of a tensor, of values that depend on the input."""
        if _form(tensor) is not None:
            self._written.setdefault(tensor.untyped_storage(), []).append(node)

    def written_since(self, tensor: Tensor, trace: Trace, node: int) -> list[int]:
        """Return the writes into the storage of a tensor after its node was made."""
        if not self._written or _form(tensor) is None:
            return []
        made = _step(trace, node)
        written = self._written.get(tensor.untyped_storage(), [])
        return [other for other in written if _step(trace, other) > made]


def _step(trace: Trace, node: int) -> int:
    made = trace.nodes[node].step
    return -1 if made is None else made


def _form(tensor: Tensor) -> _Form | None:
    """Return the place of a tensor in its storage, None if it does not have one."""
    try:
        tensor.untyped_storage()
        return int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride()
    except (RuntimeError, NotImplementedError):  # sparse, or a wrapper of other tensors
        return None
