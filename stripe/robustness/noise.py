"""Noise in the batch norms of any model, added by hooks and removed without a trace."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from stripe.asr import Gated
from stripe.errors import ModelError
from stripe.interrupts import at_the_edge, interrupts_allowed, interrupts_held
from stripe.modules.hooked import Hooks
from stripe.modules.ours import ours
from stripe.modules.uncompiled import uncompiled
from stripe.modules.unwrap import device_of, modules_by_name, unwrapped
from stripe.robustness.noise_spec import NoiseSpec
from stripe.select import Layer, Selection, select
from stripe.typed import typed


class inject_noise:  # noqa: N801  # used like a function, as torch.no_grad is
    """Disturb the batch norms of a model: `y = gamma * (x_hat * N_a + N_b) + beta`.

    Here x_hat is the normalised input of a norm, gamma is its weight, beta is its bias, and N_a and
    N_b are the noise. Constant and random noise are applied after the norm, which is not changed:
    if z is its output without noise, `y = N_a * z + beta * (1 - N_a) + gamma * N_b`. With the noise
    "batch", the norms use the statistics of the batch instead of the running statistics. With
    "constant:1,0", every output is unchanged, bit for bit.

    Use this class as a context manager. An instance cannot be entered again before its block ends.
    A compiled network runs uncompiled inside the block, because compiled code ignores new hooks.

    Parameters
    ----------
    model
        A network with batch norms of torch or timm. If a norm of timm contains an activation, the
        noise is applied before the activation.
    spec
        A `NoiseSpec` or its text: "constant:A,B", "random:SIGMA_A,SIGMA_B" or "batch" (batch
        statistics in evaluation mode). Options follow after commas: "per=channel" or "per=layer"
        for random noise; "when=train", "when=eval" or "when=both"; "modules=NAMES", names and
        patterns with "+" between them.
    modules
        Norms to disturb: "all", names, a pattern such as "layer3.*", a list of both, or a predicate
        of a `stripe.select.Layer`. Default: the `modules=` of the specification, or else all norms
        outside gates of `stripe.insert`. Norms inside attention modules of other libraries get
        noise like all other norms.
    seed
        Seed of a private generator on the model's device. The global generators are untouched.

    Raises
    ------
    UnknownNameError
        If the model has no batch norm of a given name.
    ModelError
        In one of these cases:

        - no `modules` are given, and the model has no batch norms outside gates;
        - a chosen norm does more than normalise, for example because it is a class of your own that
          contains an activation;
        - the noise is "batch", and a norm receives a single value per channel;
        - the instance is entered again before its block ends;
        - at the end of the block, the model has run, but none of the chosen norms has run.
    StripeError
        If the text of the specification is not valid.

    Examples
    --------
    >>> with stripe.inject_noise(model, "random:0.3,0.3"):
    ...     logits = model(images)

    Notes
    -----
    Under activation checkpointing, random noise is drawn again in the second forward pass. The
    outputs and the gradients are then computed with different noise.

    References
    ----------
    Section 6 (2), Table 8.
    """

    @typed
    def __init__(
        self,
        model: nn.Module,
        spec: NoiseSpec | str,
        *,
        modules: Selection | None = None,
        seed: int = 0,
    ) -> None:
        self.spec = NoiseSpec.parse(spec) if isinstance(spec, str) else spec
        model = unwrapped(model)
        self._norms = _norms(model, self.spec.names if modules is None else modules)
        #: Norms with a forward pass of their own, which have not run yet.
        self._unknown: set[_BatchNorm] = set()
        self._generator = torch.Generator(device_of(model)).manual_seed(seed)
        self._hooks = Hooks()
        self._model = model
        self._active = False
        self._ran = self._heard = False
        self._held, self._allowed = interrupts_held(), interrupts_allowed()

    @property
    def modules(self) -> list[str]:
        """Names of the disturbed norms."""
        return list(self._norms)

    def __enter__(self) -> "inject_noise":
        """Put the hooks on."""
        if self._active:
            raise ModelError(
                "this noise is already in the model; make another inject_noise to add more"
            )
        self._held.__enter__()
        try:
            self._active, self._ran, self._heard = True, False, False
            if not self.spec.changes_nothing:
                self._put_on()
            self._allowed.__enter__()
            return self  # here, so that an interrupt at this line undoes the entry too
        except BaseException:
            self._allowed.__exit__()
            self._take_off()
            raise

    @at_the_edge
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the hooks off, also those of copies that were made of the model meanwhile."""
        self._allowed.__exit__()
        self._take_off()
        if error is None and self._ran and not self._heard:
            names = ", ".join(self.modules[:3])
            raise ModelError(
                f"the model ran and none of its norms did ({names}), so there was no noise; call "
                "them as modules, or choose others with modules="
            )

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state of the generator, so that a run can be resumed."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the state of the generator that `state_dict` returned."""
        self._generator.set_state(state["generator"])

    def _put_on(self) -> None:
        self._hooks.enter_context(uncompiled())
        self._hooks.before(self._model, self._runs)
        for norm in self._norms.values():
            self._hook(norm)

    def _take_off(self) -> None:
        self._active = False
        try:
            self._hooks.close()
        finally:
            self._held.__exit__()

    def _runs(self, *_: Any) -> None:
        self._ran = True

    def _hook(self, norm: _BatchNorm) -> None:
        """Put hooks between a norm's affine map and the activation that timm has in it."""
        inputs: list[Tensor] = []  # of the call that is running, for batch statistics

        def before(module: nn.Module, args: tuple[Tensor, ...], named: dict[str, Any]) -> None:
            inputs[:] = (*args, *named.values())[:1]

        def after_norm(module: nn.Module, args: Any, y: Tensor) -> Tensor | None:
            return self._disturbed(norm, inputs, y)

        def before_activation(module: nn.Module, args: tuple[Tensor, ...]) -> Any:
            noised = self._disturbed(norm, inputs, args[0])
            return None if noised is None else (noised, *args[1:])

        self._hooks.before(norm, before, with_kwargs=True)
        inside = _before_activation(norm)
        if inside is None:
            if not _is_plain(norm):
                self._unknown.add(norm)
            self._hooks.after(norm, after_norm)
        else:
            self._hooks.before(inside, before_activation)

    def _disturbed(self, norm: _BatchNorm, inputs: list[Tensor], y: Tensor) -> Tensor | None:
        """Return the norm's output with noise, or None where it stays as it is."""
        self._heard = True
        x = inputs.pop() if inputs else None
        if norm in self._unknown and x is not None and not y.is_meta:
            self._unknown.discard(norm)
            _check_only_a_norm(norm, x, y)
        here = self.spec.when in ("both", "train" if norm.training else "eval")
        if not self._active or not here or y.is_meta:
            return None
        if self.spec.kind == "batch":
            return None if norm.training or x is None else _by_batch_statistics(norm, x)
        per_channel = (1, -1, *[1] * (y.ndim - 2))
        gamma: Any = 1.0 if norm.weight is None else norm.weight.view(per_channel)
        beta: Any = 0.0 if norm.bias is None else norm.bias.view(per_channel)
        if self.spec.kind == "constant":
            shift = beta * (1 - self.spec.a) + gamma * self.spec.b
            # Filled on the device, because copying a number to it would wait for it.
            shift = shift.to(y) if isinstance(shift, Tensor) else y.new_full((), shift)
            return torch.add(shift, y, alpha=self.spec.a)
        scale, offset = (draw.view(per_channel) for draw in self._draw(norm.num_features, y))
        shift = beta * (1 - scale) + gamma * offset
        with ours():  # a scale per channel looks like a gate
            return torch.addcmul(shift.to(y), y, scale)

    def _draw(self, channels: int, y: Tensor) -> tuple[Tensor, Tensor]:
        """Draw N_a and N_b, as `y` can be multiplied by them without rounding them again."""
        count = channels if self.spec.per == "channel" else 1
        device = self._generator.device
        normal = torch.randn(2, count, generator=self._generator, device=device).to(y)
        return 1 + self.spec.a * normal[0], self.spec.b * normal[1]


def _norms(model: nn.Module, selection: Selection | None) -> dict[str, _BatchNorm]:
    """Return the chosen batch norms, or all that are not inside a gate."""
    modules = modules_by_name(model)
    norms = {name: norm for name, norm in modules.items() if isinstance(norm, _BatchNorm)}
    if selection is not None:
        layers = {name: Layer(name, norm) for name, norm in norms.items()}
        return {name: norms[name] for name in select(layers, selection, kind="batch norm")}
    gates = [module.gate for module in modules.values() if isinstance(module, Gated)]
    inside = {id(module) for gate in gates for module in gate.modules()}
    chosen = {name: norm for name, norm in norms.items() if id(norm) not in inside}
    if not chosen:
        remedy = "choose those inside gates with modules=" if norms else "give a network with some"
        raise ModelError(
            f"noise goes into batch norms, and this {type(model).__name__} has no batch norms "
            f"{'outside gates' if norms else 'at all'}; {remedy}"
        )
    return chosen


def _before_activation(norm: _BatchNorm) -> nn.Module | None:
    """Return timm's slot between norm and activation, or None for a norm that is only a norm."""
    slot = getattr(norm, "drop", None)
    if isinstance(slot, nn.Module) and hasattr(norm, "act"):
        return slot
    if not _is_plain(norm) and hasattr(norm, "act"):
        raise ModelError(
            f"{type(norm).__name__} has an activation inside, and no place before it for noise"
        )
    return None


def _is_plain(norm: _BatchNorm) -> bool:
    """Tell whether a norm has the forward pass of torch."""
    plain: tuple[Callable[..., Any], ...] = (_BatchNorm.forward, nn.SyncBatchNorm.forward)
    return type(norm).forward in plain


def _check_only_a_norm(norm: _BatchNorm, x: Tensor, y: Tensor) -> None:
    """Raise if a norm with a forward pass of its own does more than normalise."""
    by_batch = norm.training or norm.running_mean is None
    if by_batch and (len(x) == 1 or x.numel() == x.shape[1]):
        return  # a norm of the user's own may do something else here
    statistics = (None, None) if by_batch else (norm.running_mean, norm.running_var)
    expected = F.batch_norm(x, *statistics, norm.weight, norm.bias, by_batch, 0.0, norm.eps)
    rounding = 100 * torch.finfo(y.dtype).eps * float(expected.detach().abs().max())
    if y.shape != x.shape or not torch.allclose(y, expected.to(y), rtol=0, atol=rounding):
        raise ModelError(
            f"a {type(norm).__name__} has a forward pass of its own, which does more than a batch "
            "norm, so that noise after it would be in the wrong place; leave it out with modules="
        )


def _by_batch_statistics(norm: _BatchNorm, x: Tensor) -> Tensor:
    if x.numel() == x.shape[1]:
        raise ModelError("batch noise needs more than one value per channel; use larger batches")
    return F.batch_norm(x, None, None, norm.weight, norm.bias, True, 0.0, norm.eps)
