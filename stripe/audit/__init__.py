"""Measure the cost and the effect of attention, and find gates to remove."""
