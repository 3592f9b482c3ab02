"""The cores that this process may use, and whether torch leaves one of them free."""

import os

import torch


def usable_cores() -> int:
    """Return how many cores this process may use, which a cluster or `taskset` can limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_free_core(device: torch.device | None) -> bool:
    """Return whether another thread can work while a network runs on a device.

    torch divides each operation on a CPU among its threads, which wait for the slowest of them. If
    these are as many as the cores, a thread that takes one core stops the others, too.
    """
    on_host = device is None or device.type == "cpu"
    return not on_host or torch.get_num_threads() < usable_cores()
