"""A gate, and its place in the trace of a forward pass."""

from dataclasses import dataclass

from stripe.gates.shape import Shape
from stripe.gates.squeeze import Squeeze
from stripe.recording import Gate


@dataclass(frozen=True)
class Place:
    """A gate, and where it is in the trace of a forward pass.

    Parameters
    ----------
    gate
        The gate's name, owner, channels and kind.
    shape
        Layout of the gate relative to the features.
    step
        The multiplication.
    features, operand, product
        The nodes x, v and x v.
    hook, input_hook
        Names of modules that output v and x and are called once; None if there is no such module.
    first_argument
        Whether x is the first argument of the owner, which is called once.
    squeeze
        Where the model itself averages x over its positions; None if it does not.
    count
        Number of the multiplication among the owner's multiplications of a feature map by a gate,
        from 0. It is None if the gate multiplies together with a spatial map, as in CBAM, or is
        copied to every position.
    period
        Number of such multiplications in the owner for the same images. If the owner processes a
        batch in pieces, they are repeated for every piece.
    static
        Whether shapes alone determine which row of the gate belongs to which image. If not, the
        values of the images may put them in another order in every batch.
    """

    gate: Gate
    shape: Shape
    step: int
    features: int
    operand: int
    product: int
    hook: str | None
    input_hook: str | None
    first_argument: bool
    squeeze: Squeeze | None
    count: int | None
    period: int
    static: bool
