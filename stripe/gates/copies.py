"""Find the tensor whose values were copied to every place."""

from stripe.gates.tracing.steps import Trace

#: Operations that stretch a tensor over places.
STRETCH = {
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d"),
    *("upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"),
    *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
}

#: Operations that copy values, some of them to more places.
_COPIES = STRETCH | {"repeat", "clone", "_to_copy"}


def copied_from(watched: Trace, node: int) -> int:
    """Return the tensor whose values were copied to every position, or the node itself.

    This tensor has the same number of dimensions as the node, and size 1 along those of the copies.
    """
    start, shape = node, watched.nodes[node].shape
    while watched.nodes[node].compact == shape and (made := watched.nodes[node].step) is not None:
        step = watched.steps[made]
        if step.op not in _COPIES or len(step.inputs) != 1:
            return start
        node = step.inputs[0]
        if _only_widens(watched.nodes[node].compact, shape):
            return node
    return start


def _only_widens(compact: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Tell whether copies along dimensions of size 1 alone turn one shape into the other."""
    return (
        len(compact) == len(shape)
        and compact != shape
        and all(one in (1, size) for one, size in zip(compact, shape, strict=True))
    )
