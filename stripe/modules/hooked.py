"""Hooks on modules that are removed at the end of a block, also after an error."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from torch import nn


class Hooks(ExitStack):
    """A stack of hooks on modules, which removes them when it is closed or its block ends.

    Examples
    --------
    >>> from stripe.modules.hooked import Hooks
    >>> with Hooks() as hooks:
    ...     hooks.after(model, lambda module, args, output: output.mul_(0))
    ...     zeros = model(images)
    >>> bool(zeros.any()), bool(model(images).any())
    (False, True)
    """

    def before(self, module: nn.Module, hook: Callable[..., Any], **options: Any) -> None:
        """Add a hook that runs before a module, with the options of `register_forward_pre_hook`."""
        self.callback(module.register_forward_pre_hook(hook, **options).remove)

    def after(self, module: nn.Module, hook: Callable[..., Any], **options: Any) -> None:
        """Add a hook that runs after a module, with the options of `register_forward_hook`."""
        self.callback(module.register_forward_hook(hook, **options).remove)


def hooked(modules: Mapping[str, nn.Module], hooks: Mapping[str, Callable[..., Any]]) -> Hooks:
    """Return a context in which hooks run after the modules of the same names.

    Examples
    --------
    >>> from stripe.modules.hooked import hooked
    >>> with hooked({"all": model}, {"all": lambda module, args, output: output[:1]}):
    ...     model(images).shape
    torch.Size([1, 10])
    """
    added = Hooks()
    try:
        for name, hook in hooks.items():
            added.after(modules[name], hook)
    except BaseException:
        added.close()
        raise
    return added
