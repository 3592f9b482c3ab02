"""Outputs as points whose squared distances are KL divergences."""

from dataclasses import dataclass

import numpy as np

#: Largest deviation of a sum of probabilities from 1; outputs may be in half precision.
_ROUNDING = 1e-2


@dataclass(frozen=True)
class Embedding:
    """Map outputs to points. Half their squared distance approximates the KL divergence.

    Parameters
    ----------
    kind
        "classes" (probabilities), "logits", "binary" (each value is a probability), "binary
        logits", or "values" (other values).
    axis
        The axis of the classes.
    unit
        Unit of values.
    """

    kind: str
    axis: int = -1
    unit: float = 1.0

    @classmethod
    def of(cls, output: np.ndarray) -> "Embedding":
        """Return the embedding for outputs (B, ...), of which these are a sample."""
        if output.ndim not in (2, 3, 4) or not np.issubdtype(output.dtype, np.floating):
            return cls("values", unit=float(output.std()) or 1.0)
        axis = 1 if output.ndim == 4 else -1
        inside = bool(((output >= -_ROUNDING) & (output <= 1 + _ROUNDING)).all())
        several = output.shape[axis] > 1
        if several and inside and (abs(output.sum(axis) - 1) <= _ROUNDING).all():
            return cls("classes", axis)
        if several and not inside:
            return cls("logits", axis)
        return cls("binary" if inside else "binary logits", axis)

    def __call__(self, output: np.ndarray) -> np.ndarray:
        """Return outputs (B, ...) as points (B, D)."""
        output = output.astype(np.float32)
        if self.kind == "values":
            return output.reshape(len(output), -1) / self.unit
        if self.kind == "logits":
            shifted = np.exp(output - output.max(self.axis, keepdims=True))
            output = shifted / shifted.sum(self.axis, keepdims=True)
        elif self.kind == "binary logits":
            output = 0.5 + 0.5 * np.tanh(output / 2)
        points = [2 * np.sqrt(np.clip(output, 0, 1)).reshape(len(output), -1)]
        if self.kind.startswith("binary"):
            points.append(2 * np.sqrt(np.clip(1 - output, 0, 1)).reshape(len(output), -1))
        return np.concatenate(points, axis=1)
