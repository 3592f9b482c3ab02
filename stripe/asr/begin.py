"""The attention and ASR modules that `insert` builds, with their initial parameters."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from stripe.asr.asr import ASR
from stripe.asr.psi import Psi
from stripe.asr.sites import FamilyDefaults
from stripe.attention import ATTENTIONS
from stripe.errors import ModelError
from stripe.interrupts import interrupts_allowed, interrupts_held

#: A registered name, or any callable from a number of channels to a module.
Attention = str | Callable[[int], nn.Module]
#: Initial parameters of the attention modules of ASRs: the paper's, or random ones.
Init = Literal["paper", "drawn"]

#: The value of `asr=` without an attention module: the gate is psi itself (Table 9).
BARE_PSI = "psi"
#: Largest number of draws of a module that does not react to psi.
REDRAWS = 50


def attention_modules(
    attention: Attention,
    channels: Sequence[int],
    defaults: FamilyDefaults,
    *,
    on_psi: bool = False,
) -> list[nn.Module]:
    """Build one attention module for each site. `on_psi` says whether they are for ASRs."""
    if not isinstance(attention, str):
        return [_checked(attention(count), count) for count in channels]
    build = ATTENTIONS[attention]
    last: Callable[[Tensor], Tensor] = getattr(torch, defaults.activation)
    if hasattr(build, "along"):
        return list(build.along(channels, activation=last))
    if on_psi:
        build = getattr(build, "on_psi", build)
    return [build(count, activation=last) for count in channels]


def asr_modules(
    attention: Attention,
    channels: Sequence[int],
    defaults: FamilyDefaults,
    *,
    psi: float | Psi | None,
    init: Init,
) -> list[ASR]:
    """Build one ASR for each site, with its psi."""
    start = psi if isinstance(psi, Psi) else Psi(value=defaults.psi if psi is None else psi)
    bare = attention == BARE_PSI
    modules: Sequence[nn.Module | None] = [None] * len(channels)
    if not bare:
        modules = _begun(attention, channels, defaults, init)
    asrs = [
        ASR(module, start.tensor(count), learnable=start.learnable)
        for module, count in zip(modules, channels, strict=True)
    ]
    # A callable may build any modules; those that share state, as DIA its cell, stay together.
    if isinstance(attention, str) and not bare and not hasattr(ATTENTIONS[attention], "along"):
        for asr, count in zip(asrs, channels, strict=True):
            for _ in range(REDRAWS):
                if asr.moves():
                    break
                (asr.attention,) = _begun(attention, [count], defaults, init)
    return asrs


def _begun(
    attention: Attention, channels: Sequence[int], defaults: FamilyDefaults, init: Init
) -> list[nn.Module]:
    """Build attention modules for ASRs, with the initial weights of the defaults."""
    modules = attention_modules(attention, channels, defaults, on_psi=True)
    if defaults.weight is not None:
        for module in modules:
            for name, parameter in module.named_parameters():
                if init == "paper" or name.rpartition(".")[2] == "bias":
                    nn.init.constant_(parameter, defaults.weight)
    return modules


def _checked(gate: nn.Module, channels: int) -> nn.Module:
    """Check the shape of the gate from a user's own module, on zeros."""
    training = gate.training
    try:
        with interrupts_held(), torch.no_grad(), interrupts_allowed():
            shape = tuple(gate.eval()(torch.zeros(2, channels, 8, 8)).shape)
    finally:
        gate.train(training)
    if len(shape) != 4 or shape[:2] not in ((2, channels), (1, channels)):
        raise ModelError(
            f"an attention module for {channels} channels must return a gate (B, {channels}, 1, "
            f"1), got shape {shape} from {type(gate).__name__}"
        )
    return gate
