"""Hooks on modules run inside their block and are gone after it, whatever happened."""

from typing import Any

import pytest
import torch
from torch import nn

from stripe.modules.hooked import Hooks, hooked


def hooks_of(module: nn.Module) -> int:
    return len(module._forward_hooks) + len(module._forward_pre_hooks)


def test_hooks_run_before_and_after_a_module() -> None:
    module, order = nn.Identity(), []
    with Hooks() as hooks:
        hooks.before(module, lambda module, args: order.append("before"))
        hooks.after(module, lambda module, args, output: order.append("after"))
        module(torch.ones(1))
    module(torch.ones(1))
    assert order == ["before", "after"]
    assert hooks_of(module) == 0


def test_hooks_are_gone_after_an_error() -> None:
    model = nn.Sequential(nn.Identity(), nn.Identity())

    def fail(*_: Any) -> None:
        raise RuntimeError("of the hook")

    with pytest.raises(RuntimeError, match="of the hook"), hooked({"0": model[0]}, {"0": fail}):
        model(torch.ones(1))
    assert hooks_of(model[0]) == 0


def test_a_name_that_is_missing_leaves_no_hook() -> None:
    module = nn.Identity()
    with pytest.raises(KeyError):
        hooked({"here": module}, {"here": print, "gone": print})
    assert hooks_of(module) == 0
