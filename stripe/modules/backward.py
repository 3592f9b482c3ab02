"""Whether a backward pass is running."""

import torch


def in_backward() -> bool:
    """Tell whether autograd runs a backward pass in this thread, as in a model of gradients."""
    return bool(torch._C._current_graph_task_id() != -1)
