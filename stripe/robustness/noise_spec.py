"""The specification of a noise, from text and to text."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from stripe.errors import StripeError
from stripe.registry import nearest
from stripe.typed import typed

NoiseKind = Literal["constant", "random", "batch"]
Per = Literal["channel", "layer"]
When = Literal["train", "eval", "both"]

_FORMS = (
    "constant:A,B", "random:SIGMA_A,SIGMA_B", "batch",
)  # fmt: skip
_EXPECTED = (
    f"a noise is one of {', '.join(_FORMS)}, followed by options such as per=layer, when=eval or "
    "modules=layer3.*"
)


@typed
@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """Noise in the batch norms of a network: `y = gamma * (x_hat * N_a + N_b) + beta`.

    Here x_hat is the normalised input of a norm, gamma is its weight, beta is its bias, and N_a and
    N_b are the noise.

    Parameters
    ----------
    kind
        "constant": N_a = a and N_b = b. "random": N_a and N_b are drawn from the normal
        distributions N(1, a^2) and N(0, b^2) in every forward pass. "batch": x_hat is computed with
        the statistics of the batch, in evaluation mode too.
    a, b
        Values for "constant", or standard deviations for "random". Defaults: 1 and 0.
    per
        For "random": draw one N_a and N_b per "channel" (default) or per "layer".
    when
        Mode of the norm in which the noise is applied: "train", "eval" or "both" (default).
    modules
        Names of norms and patterns such as "layer3.*", with "+" between them. Default: all norms
        outside gates.

    Raises
    ------
    StripeError
        If `kind`, `per` or `when` is unknown, a number is not finite, a standard deviation is
        negative, or a name in `modules` is empty.

    Notes
    -----
    Table 8 gives pairs (sigma_a, sigma_b) and calls sigma the variance. Here, a and b are standard
    deviations. To use variances, pass their square roots.

    References
    ----------
    Section 6 (2), Table 8; Liang et al., "Instance Enhancement Batch Normalization", 2020.

    Examples
    --------
    >>> from stripe.robustness import NoiseSpec
    >>> noise = NoiseSpec.parse("random:0.3,0.3,when=train")
    >>> noise.a, noise.when, str(noise)
    (0.3, 'train', 'random:0.3,0.3,when=train')
    """

    kind: NoiseKind
    a: float = 1.0
    b: float = 0.0
    per: Per = "channel"
    when: When = "both"
    modules: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("kind", NoiseKind), ("per", Per), ("when", When)):
            if getattr(self, name) not in get_args(allowed):
                names = ", ".join(get_args(allowed))
                raise StripeError(f"{name} of a noise is one of {names}, got {getattr(self, name)}")
        if self.modules is not None and not all(self.modules.split("+")):
            raise StripeError(
                "modules of a noise are names or patterns with + between them, got "
                f"{self.modules!r}"
            )
        if not (math.isfinite(self.a) and math.isfinite(self.b)):
            raise StripeError(f"a noise has finite numbers, got {self.a}, {self.b}")
        if self.kind == "random" and min(self.a, self.b) < 0:
            raise StripeError(
                f"standard deviations of a noise are 0 or more, got {self.a}, {self.b}"
            )

    @classmethod
    @typed
    def parse(cls, text: str) -> "NoiseSpec":
        """Read text such as "constant:0.8,0.8" or "random:0.3,0.3,per=layer,when=train".

        Raises
        ------
        StripeError
            If the text is not in this format, or a value is not valid. The message shows the valid
            format or the value.
        """
        kind, *parts = [part.strip() for part in text.replace(":", ",", 1).split(",")]
        numbers = [part for part in parts if "=" not in part]
        options = dict(part.split("=", 1) for part in parts if "=" in part)
        if len(numbers) + len(options) < len(parts):
            raise StripeError(f"{_EXPECTED}, each once; got {text!r}")
        if unknown := set(options) - {"per", "when", "modules"}:
            raise StripeError(f"{_EXPECTED}; got {text!r}, with {', '.join(sorted(unknown))}")
        if kind not in get_args(NoiseKind) or len(numbers) != (0 if kind == "batch" else 2):
            near = "" if kind in get_args(NoiseKind) else nearest(kind, get_args(NoiseKind))
            raise StripeError(f"{_EXPECTED}; {near}got {text!r}")
        try:
            values = dict(zip("ab", map(float, numbers), strict=False))
        except ValueError:
            raise StripeError(f"{_EXPECTED}; got {text!r}") from None
        given: dict[str, Any] = {"kind": kind, **values, **options}
        return cls(**given)

    def __str__(self) -> str:
        """Return the specification that `parse` reads."""
        numbers = (
            ""
            if self.kind == "batch"
            else f":{self.a!r},{self.b!r}".replace(".0,", ",").removesuffix(".0")
        )
        options = [
            f",{field.name}={getattr(self, field.name)}"
            for field in fields(self)[3:]
            if getattr(self, field.name) != field.default
        ]
        return self.kind + numbers + "".join(options)

    @property
    def names(self) -> list[str] | None:
        """The names and patterns of `modules`; None for all norms outside gates."""
        return None if self.modules is None else self.modules.split("+")

    @property
    def changes_nothing(self) -> bool:
        """Whether the noise has no effect: constant (1, 0), or random without spread."""
        still = {"constant": (1.0, 0.0), "random": (0.0, 0.0)}
        return still.get(self.kind) == (self.a, self.b)
