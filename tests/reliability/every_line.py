"""Interrupt each line that a context runs in its own folder, and look what is left in the model.

Usage: python tests/reliability/every_line.py NAME, the name of a context of `stripe`. It runs
without the type checks of the tests, which would run in frames of their own.
"""

import itertools
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from strike import strike
from torch import nn

import stripe
from stripe.interrupts import _State

#: Fewer lines mean that the context is somewhere else, and that nothing was tested.
FEWEST = 50
HOW = {"inject_noise": "random:0.3,0.3", "intervene": "one"}


def interrupted_at(context: Any, at: int) -> tuple[int, str]:
    """Enter and leave a context, and interrupt a line of its folder.

    Return the number of lines and, if a signal can come there, the line that was interrupted.
    """
    folder = str(Path(str(sys.modules[type(context).__module__].__file__)).parent)
    count, where = 0, ""

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count, where
        if not frame.f_code.co_filename.startswith(folder):
            return None
        if event == "line":
            count += 1
            if count == at:
                where = f"line {frame.f_lineno}, {frame.f_code.co_name}"
                if not strike(frame):
                    where = ""
        return trace

    sys.settrace(trace)
    try:
        with context:
            pass
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    return count, where


def network() -> nn.Module:
    """Return a network with gates."""
    return stripe.build("resnet8_basic", attention="se", num_classes=2, in_channels=1).eval()


def main(name: str) -> int:
    """Interrupt every line once and report."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore")
    model = network()
    options = {"example": torch.rand(2, 1, 28, 28)} if name == "intervene" else {}
    failures, struck = [], 0
    for at in itertools.count(1):
        lines, where = interrupted_at(getattr(stripe, name)(model, HOW[name], **options), at)
        struck += bool(where)
        hooked = any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
        compiled = torch._dynamo.eval_frame._stance.stance == "default"
        handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if hooked or not compiled or not handled or _State.holding or _State.came:
            failures.append(where)
            model = network()
            torch.compiler.set_stance("default")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _State.holding, _State.came = False, ()
        if lines < at:
            break
    sys.stdout.write(f"{failures}\n{struck} lines, {len(failures)} failures\n")
    return 1 if failures or struck < FEWEST else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
