"""The edge of public functions: types of arguments, and gradient mode after an interrupt."""

import builtins
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from inspect import Parameter, Signature, signature, unwrap
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar, get_type_hints

from stripe.defaults import LARGEST_SEED
from stripe.errors import StripeError, UnknownOptionError
from stripe.hints import fits, in_words
from stripe.registry import listed

#: By the name of a class, a wanted type in words, and how to make it of such an object.
_REMEDIES = {
    "ExportedProgram": ("a torch.nn.Module", "give its .module()"),
    "ndarray": ("a tensor", "torch.from_numpy makes one of an array"),
    "list": ("a tensor", "give a single one, as torch.cat makes of a list of batches"),
}

#: Kinds of parameters that can be given without a name.
_WITHOUT_NAME = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

Public = TypeVar("Public", bound=Callable[..., Any])


def typed(public: Public) -> Public:
    """Let a function, or the constructor of a class, refuse arguments of a wrong type.

    Use it as a decorator. The signature is the only declaration of the types: every argument that
    is given must fit its annotation, as `stripe.hints.fits` defines it. Arguments without an
    annotation and `**kwargs` are not checked.

    If the call ends in an exception, torch's gradient mode is restored. A `KeyboardInterrupt` can
    reach torch inside its own `no_grad().__exit__`, for example while a module is copied or its
    weights are drawn, and would leave gradients disabled.

    Raises
    ------
    StripeError
        If the decorated function is called with an argument of a wrong type, an unknown argument
        (`UnknownOptionError`), too many positional arguments, or a `seed` that is out of range. The
        message names the argument, the expected type and the given value, or the nearest known
        argument.

    Examples
    --------
    >>> @typed
    ... def double(number: int) -> int:
    ...     return 2 * number
    >>> double(2)
    4
    """
    if isinstance(public, type):
        public.__init__ = typed(public.__init__)  # type: ignore[misc]  # a class has one
        return public

    @cache  # at the first call, when all names of the module are defined
    def declared() -> _Declared:
        return _Declared.of(public)

    function = public.__qualname__.removesuffix(".__init__")

    @wraps(public)
    def call(*args: Any, **named: Any) -> Any:
        _check(function, declared(), args, named)
        torch = sys.modules.get("torch")  # parts without torch use this file too
        gradients = torch is not None and torch.is_grad_enabled()
        try:
            return public(*args, **named)
        except BaseException as error:
            if torch is not None:
                torch._C._set_grad_enabled(gradients)
            if (wrong := _unknown_option(error, function, declared(), named)) is not None:
                raise wrong from None
            raise

    return call  # type: ignore[return-value]  # it has the same signature


class _Declared(NamedTuple):
    """The signature of a function, and what is needed of it at every call."""

    signature: Signature
    types: dict[str, Any]
    #: Parameters that can be given without a name; None if there may be more of them (`*args`).
    positional: tuple[str, ...] | None

    @classmethod
    def of(cls, public: Callable[..., Any]) -> "_Declared":
        signed = signature(public)
        parameters = signed.parameters.values()
        positional = tuple(one.name for one in parameters if one.kind in _WITHOUT_NAME)
        several = any(one.kind is Parameter.VAR_POSITIONAL for one in parameters)
        return cls(signed, _types_of(public), None if several else positional)


def _check(
    function: str, declared: _Declared, args: Sequence[Any], named: Mapping[str, Any]
) -> None:
    signed, types, positional = declared
    try:
        if positional is not None and len(args) <= len(positional) and named.keys() <= types.keys():
            given = {**dict(zip(positional, args, strict=False)), **named}  # as bind, but fast
        else:
            given = signed.bind(*args, **named).arguments
    except TypeError:  # the call itself says which arguments are missing
        _refuse_too_many(function, declared, args)
        unknown = [name for name in named if name not in signed.parameters]
        if unknown and not _passes_options_on(signed):
            raise UnknownOptionError(function, unknown[0], _options_of(signed), function) from None
        return
    for name, value in given.items():
        kind, hint = signed.parameters[name].kind, types.get(name, Any)
        if kind is Parameter.VAR_KEYWORD:
            continue
        for one in value if kind is Parameter.VAR_POSITIONAL else [value]:
            if not fits(one, hint):
                wanted, remedy = in_words(hint), f"help({function}) shows an example"
                makes, how = _REMEDIES.get(type(one).__name__, ("", ""))
                remedy = how if makes and makes in wanted else remedy
                raise StripeError(
                    f"{function}: {name} must be {wanted}, got {_shown(one)}; {remedy}"
                )
            if name == "seed" and one is not None and not 0 <= one <= LARGEST_SEED:
                raise StripeError(f"{function}: seed must be 0 to {LARGEST_SEED}, got {one}")


def _refuse_too_many(function: str, declared: _Declared, args: Sequence[Any]) -> None:
    """Raise if there are more arguments without a name than a function takes."""
    parameters = declared.signature.parameters.values()
    if any(one.kind is Parameter.VAR_POSITIONAL for one in parameters):
        return
    takes = [one.name for one in parameters if one.kind in _WITHOUT_NAME]
    if len(args) <= len(takes):
        return
    own = int(takes[:1] in (["self"], ["cls"]))
    came = f"got {len(args) - own} without one"
    if takes[own:]:
        several = [name for name in takes[own:] if fits([], declared.types.get(name, Any))]
        as_list = f", or several values as one list, {function}([...])" if several else ""
        raise StripeError(
            f"{function}: only {listed(takes[own:])} can be given without a name, {came}; give the "
            f"others by name{as_list}"
        )
    raise StripeError(f"{function}: every argument must be given by name, {came}")


#: Errors of Python about an option that is passed on: one that is unknown, and one that `function`
#: also passes itself.
_REFUSED = r"(?:unexpected|multiple values for) keyword argument '(\w+)'"


def _unknown_option(
    error: BaseException, function: str, declared: _Declared, named: Mapping[str, Any]
) -> UnknownOptionError | None:
    """Return the error of an option that was passed on and refused, in the words of `function`."""
    signed = declared.signature
    if isinstance(error, UnknownOptionError):
        wrong, others, refused_by = error.option, error.options, error.refused_by
    elif isinstance(error, AttributeError | TypeError):
        refused = re.search(_REFUSED, str(error))
        wrong, others, refused_by = refused[1] if refused else "", [], function
    else:
        return None
    if not _passes_options_on(signed) or wrong not in named or wrong in signed.parameters:
        return None
    return UnknownOptionError(function, wrong, [*_options_of(signed), *others], refused_by)


def _passes_options_on(signed: Signature) -> bool:
    return any(one.kind is Parameter.VAR_KEYWORD for one in signed.parameters.values())


def _options_of(signed: Signature) -> list[str]:
    """Return the names of the arguments of a function."""
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    parameters = signed.parameters.values()
    return [p.name for p in parameters if p.kind not in variadic and p.name not in ("self", "cls")]


def _shown(value: Any) -> str:
    """Write a value in one line: itself if it is short, or its type."""
    plain = isinstance(value, str | int | float | list | tuple) or value is None
    text = " ".join(repr(value).split()) if plain else ""
    return text if 0 < len(text) <= 60 else f"an object of type {type(value).__name__}"


def _types_of(function: Any) -> dict[str, Any]:
    """Return the types of the parameters, without that of the result."""
    inner = unwrap(function)
    declared = {name: one for name, one in inner.__annotations__.items() if name != "return"}
    names = _Names({**vars(builtins), **inner.__globals__})
    return get_type_hints(SimpleNamespace(__annotations__=declared), localns=names)


class _Names(dict[str, Any]):
    """The names that annotations may use, with classes imported for type checkers alone."""

    def __missing__(self, name: str) -> type:
        if name.startswith("__"):  # a debugger asks for names of its own
            raise KeyError(name)
        return _ByName(name, (), {})


class _ByName(type):
    """A class of a library that may not be installed; its objects are known by its name."""

    def __instancecheck__(cls, value: object) -> bool:
        return any(one.__name__ == cls.__name__ for one in type(value).__mro__)
