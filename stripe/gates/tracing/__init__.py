"""Trace one forward pass: its operations, their tensors, and the calls of its modules."""
