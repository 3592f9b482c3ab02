"""Types of a signature: whether a value fits one, and what one is called in an error message."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeVar, Union, get_args, get_origin

#: One and several of a type, by the name of its class.
_WORDS = {
    "bool": ("True or False", "booleans"),
    "int": ("an integer", "integers"),
    "SupportsIndex": ("an integer", "integers"),
    "float": ("a number", "numbers"),
    "str": ("a string", "strings"),
    "Path": ("a path", "paths"),
    "NoneType": ("None", "None"),
    "Recording": ("a recording or its directory", "recordings"),
    "Module": ("a torch.nn.Module", "torch.nn.Modules"),
    "ModelProto": ("an ONNX model", "ONNX models"),
    "HasMeanCam": ("a result of stripe.mean_cam", "results of stripe.mean_cam"),
    "Tensor": ("a tensor", "tensors"),
    "ndarray": ("an array", "arrays"),
}


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value can be used where a type is declared.

    Values that behave like the declared type fit, such as an integer of numpy for an `int`, or an
    array for a sequence. A string does not fit an iterable type. The shapes of arrays and the
    values of a `Literal` are not checked.

    Examples
    --------
    >>> fits(3, str | list[int]), fits([3], str | list[int]), fits("abc", Sequence[str])
    (False, True, False)
    """
    if type(value) is hint or hint is Any:  # most are, and that is fast
        return True
    if hint is None:
        return value is None
    origin, inner = parts_of(hint)
    if isinstance(hint, TypeVar):
        return any(fits(value, one) for one in hint.__constraints__ or [hint.__bound__ or Any])
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, tuple({type(one) for one in inner}))
    return _fits_class(value, getattr(hint, "array_type", origin or hint), inner)


@cache
def parts_of(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the class of a hint such as `list[int]`, and its arguments; found once per hint."""
    return get_origin(hint), get_args(hint)


def _fits_class(value: Any, kind: Any, inner: tuple[Any, ...]) -> bool:
    """Tell whether a value fits a class; `inner` are the types of what it contains."""
    if kind in (bool, int):
        return isinstance(value, bool | SupportsIndex) and not getattr(value, "ndim", 0)
    if kind is float:
        number = isinstance(value, SupportsFloat | SupportsIndex)
        return number and not getattr(value, "ndim", 0)
    if kind is Callable:
        return callable(value)
    if not isinstance(kind, type):  # such as the types of Annotated and NewType
        return True
    if issubclass(kind, Mapping) or not issubclass(kind, Iterable) or not inner:
        return isinstance(value, kind)
    return _fits_iterable(value, kind, inner)


def _fits_iterable(value: Any, kind: type, inner: tuple[Any, ...]) -> bool:
    """Tell whether a value is an iterable, with a length if its type has one, of fitting values."""
    iterable = (
        isinstance(value, kind) or hasattr(value, "__iter__") or hasattr(value, "__getitem__")
    )
    if isinstance(value, str | bytes | type) or not iterable:
        return False
    if type(value).__name__ == "DataFrame":  # iterating over a table gives the names of its columns
        return False
    if issubclass(kind, Sized) and not isinstance(value, Sized):
        return False
    indexed = hasattr(value, "__getitem__") and not isinstance(value, Mapping)
    if issubclass(kind, Sequence) and not indexed:
        return False
    if not isinstance(value, list | tuple):  # others are too long to look at, or read once
        return True
    if kind is tuple and inner[-1] is not Ellipsis:
        pairs = zip(value, inner, strict=False)
        return len(value) == len(inner) and all(fits(one, hint) for one, hint in pairs)
    return all(fits(one, inner[0]) for one in value)


def in_words(hint: Any, *, several: bool = False) -> str:
    """Name a type in an error message.

    Examples
    --------
    >>> in_words(list[int] | str)
    'a list of integers or a string'
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return "values" if several else "a value"
    if isinstance(hint, TypeVar):
        return _either(hint.__constraints__ or [hint.__bound__ or Any], several=several)
    if origin in (Union, UnionType):
        return _either(inner, several=several)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    kind = getattr(hint, "array_type", origin or hint)
    if kind is Callable:
        return "functions" if several else "a function"
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return "dictionaries" if several else "a dictionary"
    if inner and isinstance(kind, type) and issubclass(kind, Iterable):
        return _list(inner, several=several)
    name = "NoneType" if kind is None else getattr(kind, "__name__", str(kind))
    article = "an" if name[0] in "AEIOU" else "a"
    return _WORDS.get(name, (f"{article} {name}", f"{name}s"))[several]


def _list(inner: tuple[Any, ...], *, several: bool) -> str:
    if inner[0] is Any:
        return "iterables" if several else "an iterable, such as a DataLoader"
    return f"{'lists' if several else 'a list'} of {in_words(inner[0], several=True)}"


def _either(hints: Iterable[Any], *, several: bool) -> str:
    """Name a union, without the forms that another name includes, and None at its end."""
    hints = [hint for hint in hints if hint not in (None, NoneType)] + [
        hint for hint in hints if hint in (None, NoneType)
    ]
    names = {getattr(hint, "__name__", "") for hint in hints}
    implied = {"str", "Path"} if "Recording" in names else {"str"} if "Path" in names else set()
    kept = [hint for hint in hints if getattr(hint, "__name__", "") not in implied]
    words = list(dict.fromkeys(in_words(hint, several=several) for hint in kept))
    last = ", or " if any(" or " in one for one in words) else " or "
    return last.join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
