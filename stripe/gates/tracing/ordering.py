"""Operations whose order of values depends on the images or on chance."""

#: Operations that draw at random.
_RANDOM = ("rand", "multinomial", "bernoulli", "normal", "uniform", "exponential")

#: Operations whose order or number of output values depends on the values.
_ORDERING = {"sort", "topk", "argsort", "nonzero", "masked_select", "kthvalue"}

#: Operations that do this if their indices depend on the input.
_INDEXING = {
    *("index", "index_select", "gather", "take", "index_put", "_index_put_impl", "index_add"),
    *("index_copy", "scatter", "scatter_add", "masked_scatter", "_unsafe_index"),
}


def puts_in_order(op: str, depending: int) -> bool:
    """Tell whether the images or chance decide the order of an operation's values.

    `depending` is the number of tensors it reads that depend on the input.
    """
    by_value = op in _ORDERING and depending > 0
    by_index = op in _INDEXING and depending > 1
    return by_value or by_index or op.startswith(_RANDOM)
