"""How Table 8 is read: when the noise acts, and what its sigma means."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from stripe.robustness.noise_spec import NoiseKind, NoiseSpec, When

#: Default phases of each kind of noise; docs/protocol.md gives the reasons.
_USUALLY: dict[str, When] = {"random": "train", "constant": "both"}
_DURING: dict[When, str] = {
    "train": "in training",
    "eval": "in evaluation",
    "both": "in training and evaluation",
}


@dataclass(frozen=True, kw_only=True)
class NoiseReading:
    """A reading of Table 8, which gives only two numbers for each noise.

    Parameters
    ----------
    when
        Mode in which all noise is applied: "train", "eval" or "both". None is the default
        protocol: random noise in training, constant noise in training and evaluation.
    sigma
        Meaning of the table's sigma: "deviation", the standard deviation of the normal
        distribution, or "variance", its variance, as in the caption.
    """

    when: When | None = None
    sigma: Literal["deviation", "variance"] = "deviation"

    def noise(self, kind: NoiseKind, a: float, b: float) -> NoiseSpec:
        """Return the noise for a pair of numbers in Table 8."""
        if kind == "random" and self.sigma == "variance":
            a, b = sqrt(a), sqrt(b)
        return NoiseSpec(kind=kind, a=a, b=b, when=self.when or _USUALLY[kind])

    @property
    def words(self) -> str:
        """The reading, for the heading of a result."""
        during = [f"{kind} noise {_DURING[when]}" for kind, when in _USUALLY.items()]
        if self.when is not None:
            during = [f"noise {_DURING[self.when]}"]
        meaning = {"deviation": "standard deviation"}.get(self.sigma, self.sigma)
        return f"{', '.join(during)}; sigma is the {meaning}"

    @property
    def suffix(self) -> str:
        """The suffix of the reading in file names; "" for the default."""
        when = "" if self.when is None else f"-when-{self.when}"
        return when + ("" if self.sigma == "deviation" else f"-sigma-{self.sigma}")


#: The default protocol.
DEFAULT_READING = NoiseReading()
