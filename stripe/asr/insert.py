"""Put attention or ASR into a model."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Literal, TypeVar, get_args

from torch import nn

from stripe.asr.asr import ASR
from stripe.asr.begin import BARE_PSI, Attention, Init, asr_modules, attention_modules
from stripe.asr.channels import channel_dim_of, channels_of, ungated
from stripe.asr.gated import Gated
from stripe.asr.psi import Psi
from stripe.asr.sites import FamilyDefaults, check_sites, family_defaults, insert_defaults
from stripe.attention import ATTENTIONS
from stripe.errors import ModelError
from stripe.modules.seeded import seeded
from stripe.registry import listed
from stripe.select import Layer, Selection, select
from stripe.typed import typed

Activation = Literal["sigmoid", "tanh"]
Network = TypeVar("Network", bound=nn.Module)


@typed
def insert(
    model: Network,
    *,
    attention: Attention | None = None,
    asr: Attention | None = None,
    sites: Selection | None = None,
    copies: int = 1,
    psi: float | str | Psi | None = None,
    activation: Activation | None = None,
    init: Init = "paper",
    inplace: bool = False,
    seed: int | None = None,
) -> Network:
    """Insert gates that multiply the outputs of a model's layers.

    Parameters
    ----------
    model
        Any network, in training or evaluation mode. It is copied unless `inplace`.
    attention
        Input-dependent attention: a name from `stripe.list_attentions()`, or a function from a
        number of channels to a module that maps (B, C, H, W) to (B, C, 1, 1).
    asr
        Attention module of an ASR, in the same forms. With "psi" there is no module, and the gate
        is psi itself.
    sites
        Layers to wrap: names as in `model.named_modules()`, patterns such as "layer*.bn3", a list
        of both, or a predicate of a `stripe.select.Layer`, which has `name` and `module`. Default:
        the layers that Appendix C gives for the model's family.
    copies
        Number of ASRs at each site (delta in Tables 6 and 14). Their gates are multiplied.
    psi
        Initial value of psi, the vector that an ASR feeds to its attention module instead of the
        features: a number, a `Psi`, or the text of one as in `Psi.parse`, such as
        "normal:0.3,fixed". Default: 0.1, or 1e-3 for a ViT.
    activation
        Last non-linearity of the gates: "sigmoid" or "tanh". It does not apply to modules that your
        own function builds, or to the gate "psi". Default: sigmoid, or tanh for a ViT.
    init
        Initial parameters of the attention modules of ASRs in a ViT. "paper" sets every parameter
        to 1e-3. "drawn" keeps the random weights of the module and sets only the biases to 1e-3. In
        other networks, the modules always keep their random weights.
    inplace
        Change `model` itself and return it. This is needed, for example, if an optimizer already
        holds its parameters.
    seed
        Seed of the modules' random weights and of a random psi. Both are drawn from torch's CPU
        generator. With a seed, the state of the generator is restored afterwards. Default: the
        generator is not seeded.

    Returns
    -------
    nn.Module
        A copy of the model, or the model itself if `inplace`. Each layer `name` of `sites` is now a
        `Gated` with children `name.host` and `name.gate`. If both attention and asr are given, the
        ASR is the inner gate: it multiplies the output of the layer, and attention multiplies the
        result.

    Raises
    ------
    UnknownNameError
        If an attention module or a site does not exist.
    ModelError
        In one of these cases, in which the model is unchanged:

        - neither attention nor asr is given, or another argument has an invalid value;
        - a site is named twice, lies inside another site, has no channels or cannot be gated;
        - a module from your own function returns a gate of the wrong shape;
        - `sites` is not given, and the model's family is unknown.

    Notes
    -----
    An SE or SPA for few channels has only one or two hidden units. If all elements of psi start
    equal, the ReLU of the module may output zero for all of these units, and psi then receives no
    gradient. The random weights of such a module are therefore drawn again, up to 50 times. This
    applies to modules that are given by name, except DIA.

    For a ViT, the paper sets "the initial values of the network layers within ASR" to 1e-3.
    `init="paper"` does this literally. Training never breaks the symmetry of equal initial values:
    all hidden units of an SE stay equal (its two matrices keep rank 1), all elements of psi stay
    equal, and the gate of an SE learns almost only through the biases of its last layer. An ECA has
    no bias; its gate starts at 5e-6, whereas the gate of an SE starts at 1e-3. With `init="drawn"`,
    the hidden units of an SE differ, and the gates of SE, ECA and SRM start at magnitudes of about
    1e-3, some of them below zero. The recipes use "paper" to reproduce the paper. Use "drawn" for
    your own network.

    References
    ----------
    Figure 1 and Appendix C of the ASR paper; Table 4 for attention and ASR together.

    Examples
    --------
    >>> model = stripe.insert(torchvision.models.resnet18(), asr="eca", seed=0)
    >>> plain = stripe.reparameterize(model)
    >>> plain.state_dict().keys() == torchvision.models.resnet18().state_dict().keys()
    True
    """
    if attention is None and asr is None:
        raise ModelError("insert needs attention= or asr=, got neither; name a module")
    if copies < 1:
        raise ModelError(f"copies is 1 or more, got {copies}")
    if init not in get_args(Init):
        raise ModelError(f"init is paper or drawn, got {init!r}")
    if activation not in (None, *get_args(Activation)):
        raise ModelError(f"an activation is sigmoid or tanh, got {activation!r}")
    for module in (attention, asr):
        if isinstance(module, str) and module != BARE_PSI:
            ATTENTIONS[module]  # an unknown name is an error before any other
    if isinstance(psi, str):
        psi = Psi.parse(psi)
    defaults = _defaults(model, sites)
    defaults = replace(defaults, activation=activation or defaults.activation)
    names = defaults.sites
    check_sites(model, names, attends=attention is not None)
    channels = [channels_of(model, name) for name in names]
    # Everything is built before the first layer is wrapped: an error leaves the model as it was.
    outer: Sequence[nn.Module] = []
    inner: list[Sequence[nn.Module]] = []
    with seeded(seed):
        if attention is not None:
            outer = attention_modules(attention, channels, defaults)
        if asr is not None:
            inner = [
                asr_modules(asr, channels, defaults, psi=psi, init=init) for _ in range(copies)
            ]
    if not inplace:
        model = copy.deepcopy(model)
    for gates in inner:
        for name, gate in zip(names, gates, strict=True):
            _wrap(model, _innermost(model, name), gate)
    for name, attended in zip(names, outer, strict=False):
        _wrap(model, name, attended)
    return model


def _defaults(model: nn.Module, sites: Selection | None) -> FamilyDefaults:
    if sites is None:
        return insert_defaults(model)
    layers = {name: Layer(name, module) for name, module in model.named_modules() if name}
    if not (isinstance(sites, str) or callable(sites)) and len(set(sites)) < len(sites):
        raise ModelError(f"each site is named once, got {listed(list(sites))}; give copies=")
    in_order = select(layers, sites, kind="layer")
    return replace(family_defaults(model), sites=tuple(in_order))


def _wrap(model: nn.Module, name: str, gate: nn.Module) -> None:
    """Gate layer `name`, and give the gate the layer's device, number format and mode."""
    host = model.get_submodule(name)
    tensor = next(chain(ungated(host).parameters(), model.parameters()), None)
    if tensor is not None:
        gate.to(device=tensor.device, dtype=tensor.dtype)
    gate.train(host.training)
    gated = Gated(host, gate, channel_dim=channel_dim_of(host))
    gated.training = host.training
    model.set_submodule(name, gated)


def _innermost(model: nn.Module, name: str) -> str:
    """Return where an ASR goes at `name`: inside attention."""
    while isinstance(layer := model.get_submodule(name), Gated) and not isinstance(layer.gate, ASR):
        name = f"{name}.host"
    return name
