"""Random networks with gates, described by tuples, so that a failure shrinks to a few layers.

A description is a tuple of layers. A layer is a tuple such as ("batch norm", True), or joins other
descriptions: ("join", "residual", description). Every layer keeps the number of channels and the
size of the planes.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from stripe.asr import Gated
from stripe.attention import SE

CHANNELS = 4
SQUASH: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard": nn.functional.hardsigmoid,
}


class Gate(nn.Module):
    """Multiply by a gate of x, or by `constant` once there is one: what freezing must equal."""

    constant: Tensor | None = None

    def __init__(self, how: str, squash: str) -> None:
        super().__init__()
        self.how, self.squash = how, SQUASH[squash]
        self.fc = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def gate(self, x: Tensor) -> Tensor:
        """Return the gate, (B, C, 1, 1)."""
        if self.constant is not None:
            return self.constant.view(1, -1, 1, 1)
        squeezed = x.mean((2, 3), keepdim=True)
        return self.squash(self.fc(squeezed) if self.how != "functional" else 3 * squeezed)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x in one of the usual ways."""
        v = self.gate(x)
        if self.how == "residual":
            return x + x * v
        if self.how == "rest":
            return x - x * v
        if self.how == "in place":
            return x.mul_(v)
        return v * x if self.how == "left" else x * v


class Across(Gate):
    """Multiply what a branch makes of x by a gate of x."""

    def __init__(self, branch: nn.Module, squash: str) -> None:
        super().__init__("across", squash)
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Compute the gate first, since the branch may change x in place."""
        v = self.gate(x)
        y: Tensor = self.branch(x.clone())
        return y * v


class Ours(nn.Module):
    """A layer with a gate of `stripe.insert`, or times `constant`."""

    constant: Tensor | None = None

    def __init__(self, host: nn.Module) -> None:
        super().__init__()
        self.gated = Gated(host, SE(CHANNELS, reduction=2))

    def forward(self, x: Tensor) -> Tensor:
        """Gate the output of the host."""
        if self.constant is None:
            y: Tensor = self.gated(x)
            return y
        features: Tensor = self.gated.host(x)
        return features * self.constant.view(1, -1, 1, 1)


class Tokens(nn.Module):
    """A linear layer over the channels of every place."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(CHANNELS, CHANNELS, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Move the channels to the end and back."""
        y: Tensor = self.linear(x.permute(0, 2, 3, 1))
        return y.permute(0, 3, 1, 2)


class Scale(nn.Module):
    """A learned number per channel that multiplies or is added."""

    def __init__(self, adds: bool) -> None:
        super().__init__()
        self.adds = adds
        self.weight = nn.Parameter(torch.rand(CHANNELS, 1, 1) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Scale or shift every plane."""
        return x + self.weight if self.adds else x * self.weight


class Joined(nn.Module):
    """Add branches, subtract one, or join the halves that two branches make."""

    def __init__(self, how: str, *branches: nn.Module) -> None:
        super().__init__()
        self.how, self.branches = how, nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Join what the branches make of x."""
        # Each branch may change its input in place.
        made: list[Tensor] = [branch(x.clone()) for branch in self.branches]
        if self.how == "residual":
            return x + made[0]
        if self.how == "in place":
            return made[0].add_(x)
        if self.how == "less":
            return made[0] - x
        if self.how == "sum":
            return made[0] + made[1]
        half = CHANNELS // 2
        return torch.cat([made[0][:, :half], made[1][:, half:]], 1)


class Twice(nn.Module):
    """One layer that is called twice, so that no gate may change it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Call the layer on its own output."""
        y: Tensor = self.layer(self.layer(x))
        return y


class Split(nn.Module):
    """Two halves of the channels that change places."""

    def forward(self, x: Tensor) -> Tensor:
        """Swap the halves."""
        first, second = x.chunk(2, 1)
        return torch.cat([second, first], 1)


class Shuffle(nn.Module):
    """The shuffle of channels of ShuffleNet."""

    def forward(self, x: Tensor) -> Tensor:
        """Interleave two groups."""
        b, c, h, w = x.shape
        return x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


def _layer(kind: str, *options: Any) -> nn.Module:
    simple: dict[str, Callable[..., nn.Module]] = {
        "conv": lambda kernel, groups, bias, mode: nn.Conv2d(
            CHANNELS, CHANNELS, kernel, padding=kernel // 2, groups=groups, bias=bias,
            padding_mode=mode,
        ),
        "transposed": lambda groups, bias: nn.ConvTranspose2d(
            CHANNELS, CHANNELS, 3, padding=1, groups=groups, bias=bias
        ),
        "tokens": Tokens,
        "batch norm": lambda affine: nn.BatchNorm2d(CHANNELS, affine=affine),
        "group norm": lambda groups, affine: nn.GroupNorm(groups, CHANNELS, affine=affine),
        "instance norm": lambda affine: nn.InstanceNorm2d(CHANNELS, affine=affine),
        "relu": lambda inplace: nn.ReLU(inplace),
        "leaky": lambda: nn.LeakyReLU(0.1),
        "silu": nn.SiLU,
        "pool": lambda kind: (nn.AvgPool2d if kind == "mean" else nn.MaxPool2d)(3, 1, 1),
        "dropout": nn.Dropout,
        "scale": Scale,
        "gate": Gate,
        "shuffle": Shuffle,
        "split": Split,
    }  # fmt: skip
    return simple[kind](*options)


def build(description: tuple[Any, ...]) -> nn.Sequential:
    """Return the layers of a description, with fresh weights."""
    return nn.Sequential(*map(_built, description))


def _built(layer: tuple[Any, ...]) -> nn.Module:
    kind, *rest = layer
    if kind == "join":
        how, *branches = rest
        return Joined(how, *map(build, branches))
    if kind == "across":
        return Across(build(rest[0]), rest[1])
    if kind in ("ours", "twice", "tied"):
        return {"ours": Ours, "twice": Twice, "tied": _tied}[kind](_layer(*rest[0]))
    return _layer(kind, *rest)


def _tied(layer: nn.Module) -> nn.Module:
    """Return two layers of one weight."""
    other = copy.deepcopy(layer)
    for name, parameter in layer.named_parameters():
        owner, _, leaf = name.rpartition(".")
        setattr(other.get_submodule(owner), leaf, parameter)
    return nn.Sequential(layer, other)


class Network(nn.Module):
    """A stem, the layers of a description, and a classifier; `put_out` adds the features."""

    def __init__(self, layers: nn.Module, put_out: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, CHANNELS, 3, padding=1)
        self.layers = layers
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(CHANNELS, 3)
        self.put_out = put_out

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the scores."""
        y = self.layers(self.stem(x))
        scores = self.head(self.pool(y).flatten(1))
        return (scores, y) if self.put_out else (scores,)


def network(description: tuple[Any, ...], put_out: bool, seed: int) -> Network:
    """Return a network of float64 in evaluation mode whose weights are all drawn."""
    torch.manual_seed(seed)
    model = Network(build(description), put_out)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.InstanceNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model.double().eval()


BOOL = st.booleans()
GROUPS = st.sampled_from([1, 2, CHANNELS])
PLAIN = st.one_of(
    st.tuples(
        st.just("conv"), st.sampled_from([1, 3]), GROUPS, BOOL,
        st.sampled_from(["zeros", "reflect", "circular"]),
    ),
    st.tuples(st.just("transposed"), GROUPS, BOOL),
    st.tuples(st.just("tokens"), BOOL),
    st.tuples(st.just("batch norm"), BOOL),
    st.tuples(st.just("group norm"), st.sampled_from([1, 2]), BOOL),
    st.tuples(st.just("instance norm"), BOOL),
)  # fmt: skip
GATES = st.tuples(
    st.just("gate"),
    st.sampled_from(["right", "left", "functional", "residual", "rest", "in place"]),
    st.sampled_from(sorted(SQUASH)),
)
OTHERS = st.one_of(
    st.tuples(st.just("relu"), BOOL),
    st.sampled_from([("leaky",), ("silu",), ("dropout",), ("shuffle",), ("split",)]),
    st.tuples(st.just("pool"), st.sampled_from(["mean", "max"])),
    st.tuples(st.just("scale"), BOOL),
)
LAYERS = st.one_of(
    PLAIN,
    GATES,
    OTHERS,
    st.tuples(st.just("ours"), st.one_of(PLAIN, st.just(("dropout",)))),
    st.tuples(st.sampled_from(["twice", "tied"]), PLAIN),
)


def _joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inner, min_size=1, max_size=4).map(tuple)
    return st.one_of(
        inner,
        st.tuples(st.just("join"), st.sampled_from(["residual", "in place", "less"]), parts),
        st.tuples(st.just("join"), st.sampled_from(["sum", "halves"]), parts, parts),
        st.tuples(st.just("across"), parts, st.sampled_from(sorted(SQUASH))),
    )


#: Descriptions with at least one gate.
DESCRIPTIONS = (
    st.lists(st.recursive(LAYERS, _joined, max_leaves=8), min_size=1, max_size=7)
    .map(tuple)
    .filter(lambda d: any(f"'{gate}'" in repr(d) for gate in ("gate", "ours", "across")))
)
