"""Theorem 6.1: the bound on the growth of a perturbation over blocks, and the measured growth."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from stripe.errors import ModelError, StripeError
from stripe.gates.find import Place, places
from stripe.gates.tracing.example import checked_example
from stripe.gates.tracing.steps import ALIASES, Trace
from stripe.gates.tracing.trace import trace
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.feed import feed
from stripe.modules.hooked import hooked
from stripe.modules.undisturbed import undisturbed
from stripe.modules.unwrap import modules_by_name, unwrapped
from stripe.robustness.spectral import spectral_norm
from stripe.typed import typed
from stripe.warn import warn

#: Operations that never increase the distance between two inputs.
_CONTRACTIONS = {
    *("relu", "hardtanh", "max_pool2d_with_indices", "avg_pool2d", "constant_pad_nd", "slice"),
    *("hardsigmoid", "sigmoid", "tanh", *ALIASES),
}


@dataclass(frozen=True)
class _Block:
    """A residual block: the layers of its branch and of its shortcut, and the gates on the way."""

    name: str
    branch: list[int]
    shortcut: list[int]
    gates: list[Place]


@typed
def noise_bound(
    model: nn.Module,
    example: Tensor,
    *,
    perturbation: float = 1e-3,
    repeats: int = 8,
    iterations: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """Bound the growth of noise through a residual network, and measure it.

    Let eps_t be the Euclidean norm of the noise before block t. Theorem 6.1 states `eps_(t+1) <=
    eps_t (s_t + alpha_t w_t)`. The factor w_t is the product of the spectral norms of the layers in
    the branch. A layer is a convolution with the scale of the batch norm that follows it. Its norm
    is computed for the input size that occurs in the network. The factor s_t is the same product
    for the shortcut, and 1 for an identity. The factor alpha_t is the largest absolute value of the
    block's gate over the images, and for several gates the product of these values. It is 1 if the
    block has no gate, or if its gate is not the output of a module.

    Parameters
    ----------
    model
        A network of residual blocks of convolutions and batch norms, with or without gates. It runs
        in evaluation mode and is not changed.
    example
        Images, (B, C, H, W), for the gates and for the measured growth.
    perturbation
        Euclidean norm of the random perturbation, relative to that of the image.
    repeats
        Number of perturbations of each image.
    iterations
        Maximum number of steps of the power iteration.
    seed
        Seed of perturbations and power iterations.

    Returns
    -------
    DataFrame
        One row per block:

        - block: name of the block;
        - alpha, branch_norm (w), shortcut_norm (s), factor (s + alpha w);
        - bound: product of the factors so far. If a convolution, a norm or another operation that
          may increase distances lies between two blocks, the bound is NaN from there on, with a
          warning;
        - amplification: `|x' - x|` after the block, divided by its value after the previous block
          (for the first block, before it), where x and x' are the features without and with the
          perturbation; median over images and perturbations;
        - amplification_max: the largest amplification;
        - cumulated: `|x' - x|` after the block, divided by its value before the first block;
          median.

    Raises
    ------
    ModelError
        If the network has no residual blocks of convolutions and batch norms, a block runs more
        than once per forward pass, a batch norm has no running statistics, the network cannot be
        traced, or `example` is not a batch of images.
    StripeError
        If `repeats` or `iterations` is below 1, or `perturbation` is not above 0.

    Warns
    -----
    UserWarning
        If `bound` is NaN from some block on, or `example` is a single image.

    Notes
    -----
    The theorem treats a block as one linear map and a ReLU. A real block has several layers with
    ReLUs between them. The product of the norms of these layers still bounds the growth in the
    branch, but the bound is loose, because each layer stretches a different direction the most. For
    a constant gate (ASR), or without a gate, the column `factor` is a true bound, except that it
    can be slightly too small, because the power iteration converges from below. For attention,
    `factor` is not a bound: the gate changes with the input, and this part of the derivative is
    ignored, as in the paper's comparison. The bound grows exponentially with depth, and does not
    predict the noise in practice, as the measured columns show.

    References
    ----------
    Theorem 6.1, equations 8 and 9; Appendix A.

    Examples
    --------
    >>> table = stripe.noise_bound(model, images)
    >>> ax = stripe.plots.noise_bound(table)
    """
    if min(repeats, iterations) < 1 or not perturbation > 0:
        raise StripeError(
            "repeats and iterations must be 1 or more, and perturbation above 0, got "
            f"{repeats}, {iterations} and {perturbation:g}"
        )
    model = unwrapped(model)
    watched = trace(model, checked_example(example))
    blocks = _blocks(watched, modules_by_name(model))
    if not blocks:
        raise ModelError(
            f"no residual blocks of convolutions and batch norms were found in this "
            f"{type(model).__name__}; the bound is of such networks"
        )
    if again := [block.name for block in blocks if watched.times(block.name) > 1]:
        raise ModelError(
            f"each block must run once per forward pass, and {again[0]} runs "
            f"{watched.times(again[0])} times; the bound is of networks without shared blocks"
        )
    still = copy.deepcopy(model).cpu().float().eval()
    modules = modules_by_name(still)
    lengths = _growth(model, example, blocks, perturbation, repeats, seed)
    alphas = _alphas(model, example, blocks)
    rows = []
    for number, block in enumerate(blocks):
        branch, shortcut = (
            _norm(watched, path, modules, iterations, seed)
            for path in (block.branch, block.shortcut)
        )
        alpha = alphas[number]
        ratio = lengths[number + 1] / lengths[number]
        rows.append({
            "block": block.name,
            "alpha": alpha,
            "branch_norm": branch,
            "shortcut_norm": shortcut,
            "factor": shortcut + alpha * branch,
            "amplification": float(np.median(ratio)),
            "amplification_max": float(ratio.max()),
            "cumulated": float(np.median(lengths[number + 1] / lengths[0])),
        })  # fmt: skip
    table = pd.DataFrame(rows)
    table.insert(5, "bound", table["factor"].cumprod())
    gap = _first_gap(watched, modules_by_name(model), blocks)
    if gap < len(blocks):
        warn(
            f"between {blocks[gap - 1].name} and {blocks[gap].name} lies something that is no "
            "residual block of convolutions and batch norms: the bound ends there"
        )
        table.loc[gap:, "bound"] = float("nan")
    return table


def _blocks(watched: Trace, modules: dict[str, nn.Module]) -> list[_Block]:
    """Return the modules that add a branch to a shortcut, in forward order."""
    by_step: dict[int, list[Place]] = {}
    for place in places(watched):  # CBAM's two gates multiply in one step
        by_step.setdefault(place.step, []).append(place)
    found = []
    for step in watched.steps:
        if step.op != "add" or len(set(step.inputs)) != 2:
            continue
        call = watched.calls[step.call]
        origin = watched.first_argument(call)
        if origin is None or not call.one_tensor:
            continue
        try:
            paths = [_path(watched, modules, node, origin, by_step) for node in step.inputs]
        except ModelError:
            continue
        (branch, gates), (shortcut, _) = sorted(paths, key=lambda path: -len(path[0]))
        if branch:
            found.append(_Block(call.module, branch, shortcut, gates))
    return found


def _first_gap(watched: Trace, modules: dict[str, nn.Module], blocks: Sequence[_Block]) -> int:
    """Return the number of the first block that does not read the output of the block before."""
    outputs = {call.module: call.outputs for call in watched.calls if call.outputs}
    inputs = {call.module: watched.first_argument(call) for call in watched.calls}
    for number, (before, after) in enumerate(pairwise(blocks), start=1):
        reads, gives = inputs[after.name], watched.root(outputs[before.name][0])
        try:
            layers, _ = ([], []) if reads is None else _path(watched, modules, reads, gives, {})
        except ModelError:
            return number
        if reads is None or layers:
            return number
    return len(blocks)


def _path(
    watched: Trace,
    modules: dict[str, nn.Module],
    node: int,
    origin: int,
    gates: dict[int, list[Place]],
) -> tuple[list[int], list[Place]]:
    """Return the layers, and the gates, from a block's input to a node; the layers backwards."""
    layers: list[int] = []
    passed: list[Place] = []
    while watched.root(node) != origin:
        made = watched.nodes[node].step
        if made is None:
            raise ModelError("a path that does not come from the block's input")
        step = watched.steps[made]
        module = modules.get(watched.module_of(made))
        if made in gates:
            passed += gates[made]
            node = gates[made][0].features
            continue
        if isinstance(module, _ConvNd | _NormBase) and step.op not in ALIASES:
            layers.append(made)
        elif step.op not in _CONTRACTIONS:
            raise ModelError(f"{step.op} is not known not to stretch")
        node = step.inputs[0]
    return layers, passed


def _norm(
    watched: Trace, path: Sequence[int], modules: dict[str, nn.Module], iterations: int, seed: int
) -> float:
    """Return the product of the spectral norms of a path's convolutions, each with its norm."""
    value, scale = 1.0, None
    for number in path:  # backwards: a norm comes before the convolution that it follows
        step = watched.steps[number]
        module: Any = modules[watched.module_of(number)]
        if isinstance(module, _NormBase):
            value *= 1.0 if scale is None else float(scale.abs().max())
            scale = _scale_of(module)
            continue
        linear = partial(_convolved, module, scale)
        shape = (1, *watched.nodes[step.inputs[0]].shape[1:])
        value *= spectral_norm(linear, shape, iterations=iterations, seed=seed)
        scale = None
    return value * (1.0 if scale is None else float(scale.abs().max()))


def _scale_of(norm: Any) -> Tensor:
    if norm.running_var is None:
        raise ModelError("a norm without running statistics is not a fixed linear map")
    scale: Tensor = (norm.running_var + norm.eps).rsqrt()
    return (scale if norm.weight is None else scale * norm.weight).detach()


def _convolved(convolution: Any, scale: Tensor | None, x: Tensor) -> Tensor:
    y: Tensor = convolution._conv_forward(x, convolution.weight.detach(), None)
    return y if scale is None else y * scale.view(1, -1, *[1] * (y.ndim - 2))


def _alphas(model: nn.Module, example: Tensor, blocks: Sequence[_Block]) -> list[float]:
    """Return the largest value of each block's gates over the images, 1 without a gate."""
    largest: dict[str, float] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, args, output: largest.update({name: float(output.abs().max())})

    hooks = [gate.hook for block in blocks for gate in block.gates if gate.hook]
    with (
        interrupts_held(),
        hooked(modules_by_name(model), {name: keep(name) for name in hooks}),
        undisturbed(model),
        interrupts_allowed(),
    ):
        feed(model, example)
    return [
        float(np.prod([largest.get(gate.hook or "", 1.0) for gate in block.gates]))
        for block in blocks
    ]


def _growth(
    model: nn.Module,
    example: Tensor,
    blocks: Sequence[_Block],
    perturbation: float,
    repeats: int,
    seed: int,
) -> list[np.ndarray]:
    """Return `|x' - x|` before the first block and after each, by image and perturbation."""
    generator = torch.Generator().manual_seed(seed)
    seen: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            seen.setdefault(name, []).append(output.detach().double().flatten(1))
            if name == blocks[0].name:
                seen.setdefault("", []).append(args[0].detach().double().flatten(1))

        return hook

    lengths: list[list[np.ndarray]] = [[] for _ in range(len(blocks) + 1)]
    names = ["", *(block.name for block in blocks)]
    with (
        interrupts_held(),
        hooked(modules_by_name(model), {block.name: keep(block.name) for block in blocks}),
        undisturbed(model),
        interrupts_allowed(),
    ):
        for _ in range(repeats):
            seen.clear()
            noise = torch.randn(example.shape, generator=generator).to(example)
            size = example.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
            noise *= (perturbation * size).view(-1, *[1] * (example.ndim - 1))
            feed(model, example)
            feed(model, example + noise)
            for number, name in enumerate(names):
                still, moved = seen[name]
                lengths[number].append((moved - still).norm(dim=1).cpu().numpy())
    return [np.concatenate(parts) for parts in lengths]
